//! Which passphrase a caller must know, by the stream id that it sent. Access Control of SRT: `#!::u=user,r=name,m=publish`.

/// A stream id is at most so long (SRTO_STREAMID).
pub const MAX_STREAM_ID: usize = 512;

/// One field of a stream id in the standard syntax.
pub fn field<'a>(stream_id: &'a str, key: &str) -> Option<&'a str> {
    let pairs = stream_id.strip_prefix("#!::")?.split(',');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(k, _)| *k == key).map(|(_, value)| value)
}

/// The resource that it names: `r` of the standard syntax, or what stands behind `publish:`, `read:` and the like.
pub fn resource(stream_id: &str) -> Option<&str> {
    if stream_id.starts_with("#!") {
        return field(stream_id, "r");
    }
    match stream_id.split_once(':') {
        Some((_, rest)) => Some(rest.split(':').next().unwrap_or(rest)),
        None => Some(stream_id),
    }
}

/// What of a stream id may be told to people and logs: the stream that it names, never what it has as password.
pub fn shown(stream_id: &str) -> &str {
    if stream_id.starts_with('%') {
        // Escaped as a whole, as FFmpeg before 7 sends it: nothing tells its fields apart here.
        return "";
    }
    resource(stream_id).unwrap_or_default()
}

/// Selectors, the closest first: the stream id as it came, its user (`u=name`), its resource (`r=name`), "" for all.
/// `None`: nobody is let in with it. An empty list asks for no passphrase.
pub fn passphrase<'a>(list: &'a [(String, String)], stream_id: &str) -> Option<&'a str> {
    if list.is_empty() {
        return Some("");
    }
    let of = |key: &str, value: Option<&str>| {
        let value = value.filter(|v| !v.is_empty())?;
        list.iter().find(|(s, _)| s.strip_prefix(key) == Some(value))
    };
    let exact = list.iter().find(|(s, _)| !s.is_empty() && s == stream_id);
    let found = exact.or_else(|| of("u=", field(stream_id, "u"))).or_else(|| of("r=", resource(stream_id)));
    found.or_else(|| list.iter().find(|(s, _)| s.is_empty())).map(|(_, phrase)| phrase.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (id, wanted) in [
            ("#!::r=ball-1,m=publish,u=drone,s=hunter22", "ball-1"),
            ("#!::s=hunter22", ""),
            ("publish:ball-1:drone:hunter22", "ball-1"),
            ("ball-1", "ball-1"),
            ("%23!::r=ball-1,s=hunter22", ""),
            ("%23%21%3A%3As%3Dhunter22", ""),
        ] {
            assert_eq!(shown(id), wanted, "{id}");
        }
    }

    #[test]
    fn the_closest_selector_counts() {
        let list: Vec<(String, String)> =
            [("", "all"), ("u=drone", "of drone"), ("r=ball-1", "of ball"), ("publish:x:drone:y", "exact")]
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .into();
        for (id, wanted) in [
            ("#!::r=ball-1,m=publish,u=drone", "of drone"),
            ("#!::m=request,r=ball-1", "of ball"),
            ("publish:ball-1:drone", "of ball"),
            ("ball-1", "of ball"),
            ("publish:x:drone:y", "exact"),
            ("#!::u=,r=other", "all"),
            ("", "all"),
        ] {
            assert_eq!(passphrase(&list, id), Some(wanted), "{id}");
        }
        assert_eq!(passphrase(&list[1..], "elsewhere"), None);
        assert_eq!(passphrase(&[], "anything"), Some(""));
    }
}
