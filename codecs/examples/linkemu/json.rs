//! As much JSON as the orders of an emulated link need: read whole values, nothing kept of their spelling.

use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

const DEEPEST: usize = 16;

impl Value {
    pub fn parse(text: &str) -> Result<Value, String> {
        let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
        let value = reader.value(0)?;
        reader.space();
        if reader.at == reader.bytes.len() {
            Ok(value)
        } else {
            Err(format!("something stands behind the value, at byte {}", reader.at))
        }
    }

    pub fn number(&self) -> Result<f64, String> {
        match self {
            Value::Number(number) if number.is_finite() && *number >= 0.0 => Ok(*number),
            other => Err(format!("a number from 0 up is wanted, not {other:?}")),
        }
    }

    pub fn share(&self) -> Result<f64, String> {
        self.number().and_then(|number| {
            if number <= 1.0 {
                Ok(number)
            } else {
                Err(format!("a share from 0 to 1 is wanted, not {number}"))
            }
        })
    }

    pub fn truth(&self) -> Result<bool, String> {
        match self {
            Value::Bool(truth) => Ok(*truth),
            other => Err(format!("true or false is wanted, not {other:?}")),
        }
    }

    pub fn text(&self) -> Result<&str, String> {
        match self {
            Value::Text(text) => Ok(text),
            other => Err(format!("a text is wanted, not {other:?}")),
        }
    }

    pub fn list(&self) -> Result<&[Value], String> {
        match self {
            Value::List(list) => Ok(list),
            other => Err(format!("a list is wanted, not {other:?}")),
        }
    }

    pub fn map(&self) -> Result<&BTreeMap<String, Value>, String> {
        match self {
            Value::Map(map) => Ok(map),
            other => Err(format!("an object is wanted, not {other:?}")),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Result<(), String> {
        if self.peek() == Some(wanted) {
            self.at += 1;
            Ok(())
        } else {
            Err(format!("'{}' is wanted at byte {}", char::from(wanted), self.at))
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, String> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(format!("no value at byte {}", self.at))
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err("too deep".into());
        }
        match self.peek() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.text().map(Value::Text),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, String> {
        let mut map = BTreeMap::new();
        self.take(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(map));
        }
        loop {
            self.space();
            let key = self.text()?;
            self.take(b':')?;
            map.insert(key, self.value(depth + 1)?);
            if self.peek() == Some(b',') {
                self.at += 1;
                continue;
            }
            self.take(b'}')?;
            return Ok(Value::Map(map));
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        let mut list = Vec::new();
        self.take(b'[')?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            if self.peek() == Some(b',') {
                self.at += 1;
                continue;
            }
            self.take(b']')?;
            return Ok(Value::List(list));
        }
    }

    /// Names and paths only: escapes other than of a quotation mark, a slash and a backslash are refused.
    fn text(&mut self) -> Result<String, String> {
        self.take(b'"')?;
        let mut out = Vec::new();
        loop {
            let byte = *self.bytes.get(self.at).ok_or("the text has no end")?;
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(out).map_err(|_| "not UTF-8".into()),
                b'\\' => match self.bytes.get(self.at) {
                    Some(&escaped @ (b'"' | b'\\' | b'/')) => {
                        out.push(escaped);
                        self.at += 1;
                    }
                    _ => return Err(format!("an escape that is not known at byte {}", self.at)),
                },
                _ => out.push(byte),
            }
        }
    }

    fn number(&mut self) -> Result<Value, String> {
        let begin = self.at;
        while self.bytes.get(self.at).is_some_and(|b| b.is_ascii_digit() || b"+-.eE".contains(b)) {
            self.at += 1;
        }
        std::str::from_utf8(&self.bytes[begin..self.at])
            .ok()
            .and_then(|text| text.parse().ok())
            .map(Value::Number)
            .ok_or_else(|| format!("no value at byte {begin}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read() {
        let order = Value::parse(r#" {"set": {"up": {"rate_bps": 8e6, "keep_order": false}}, "plan": [1, null]} "#);
        let order = order.expect("JSON");
        let set = order.map().expect("a map")["set"].map().expect("a map")["up"].map().expect("a map");
        assert_eq!(set["rate_bps"].number(), Ok(8e6));
        assert_eq!(set["keep_order"].truth(), Ok(false));
        assert_eq!(order.map().expect("a map")["plan"].list(), Ok(&[Value::Number(1.0), Value::Null][..]));
    }

    #[test]
    fn what_is_not_json_is_refused_with_the_place() {
        for text in ["", "{", "{\"a\"}", "[1,]", "\"a", "nul", "{} x", "\"\\u0041\"", &"[".repeat(40)] {
            assert!(Value::parse(text).is_err(), "{text}");
        }
        assert!(Value::parse("-3").expect("JSON").number().is_err());
        assert!(Value::parse("2").expect("JSON").share().is_err());
    }
}
