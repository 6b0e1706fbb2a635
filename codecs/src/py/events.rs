//! Events as frozen Python classes. They can be made from Python too, so that fakes speak the same words.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::hub::unit::Kind;
use crate::relay::event::{BundleTold, Event, WireTold};

/// A frozen class whose fields are read-only attributes, with a keyword constructor.
macro_rules! event_class {
    ($(#[$doc:meta])* $name:ident { $($field:ident : $ty:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[pyclass(frozen, get_all, eq, module = "gateway.codecs")]
        #[derive(Clone, PartialEq)]
        pub struct $name { $($field: $ty),+ }

        #[pymethods]
        impl $name {
            #[new]
            #[pyo3(signature = (*, $($field),+))]
            #[allow(clippy::too_many_arguments)]
            fn new($($field: $ty),+) -> Self {
                Self { $($field),+ }
            }

            fn __repr__(&self) -> String {
                let mut fields: Vec<String> = Vec::new();
                $(fields.push(format!(concat!(stringify!($field), "={:?}"), self.$field));)+
                format!("{}({})", stringify!($name), fields.join(", "))
            }
        }
    };
}

event_class! {
    /// A track of a stream is known, or its parameters changed.
    TrackEvent { stream: u64, kind: String, codec: String, clock_hz: u32, generation: u32, width: u32, height: u32,
        profile: String, b_frames: bool, channels: u8, sprop: String }
}
event_class! {
    /// An ingest leg changed.
    LegEvent { leg: u64, stream: u64, state: String, code: String, detail: String, address: String }
}
event_class! {
    /// A subscriber, or the hub after loss, wants a key frame.
    KeyFrameWanted { stream: u64, cause: String }
}
event_class! {
    /// A subscription changed.
    SubscriptionEvent { subscription: u64, stream: u64, state: String, code: String, detail: String }
}
event_class! {
    /// A WebRTC session changed.
    SessionEvent { session: u64, state: String, host: String, host_port: u16 }
}
event_class! {
    /// A stream's work failed by a bug; it is gone.
    StreamPanic { stream: u64, detail: String }
}
event_class! {
    /// The event queue was full.
    EventsLost { count: u64 }
}

event_class! {
    /// One audio leg changed.
    VoiceEvent { voice: u64, state: String, code: String, detail: String, address: String }
}

/// STUN or DTLS that came to a session.
#[pyclass(frozen, get_all, module = "gateway.codecs")]
pub struct Datagram {
    session: u64,
    port: u64,
    data: Py<PyBytes>,
    host: String,
    host_port: u16,
}

#[pymethods]
impl Datagram {
    #[new]
    #[pyo3(signature = (*, session, port, data, host, host_port))]
    fn new(session: u64, port: u64, data: Py<PyBytes>, host: String, host_port: u16) -> Self {
        Self { session, port, data, host, host_port }
    }

    fn __repr__(&self) -> String {
        format!(
            "Datagram(session={}, port={}, host={:?}, host_port={})",
            self.session, self.port, self.host, self.host_port
        )
    }
}

/// A connection whose bytes the plane reads.
#[pyclass(frozen, get_all, module = "gateway.codecs")]
pub struct WireEvent {
    wire: u64,
    parent: u64,
    state: String,
    code: String,
    detail: String,
    data: Py<PyBytes>,
    number: u32,
    stream_id: u32,
    address: String,
}

#[pymethods]
impl WireEvent {
    #[new]
    #[pyo3(signature = (*, wire, parent, state, code, detail, data, number, stream_id, address))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        wire: u64,
        parent: u64,
        state: String,
        code: String,
        detail: String,
        data: Py<PyBytes>,
        number: u32,
        stream_id: u32,
        address: String,
    ) -> Self {
        Self { wire, parent, state, code, detail, data, number, stream_id, address }
    }

    /// Without the bytes: they may hold a password.
    fn __repr__(&self) -> String {
        format!(
            "WireEvent(wire={}, parent={}, state={:?}, code={:?}, detail={:?}, number={}, stream_id={}, address={:?})",
            self.wire, self.parent, self.state, self.code, self.detail, self.number, self.stream_id, self.address
        )
    }
}

impl WireEvent {
    fn told(py: Python<'_>, told: WireTold) -> Self {
        Self {
            wire: told.wire,
            parent: told.parent,
            state: told.state.name().to_owned(),
            code: told.code.to_owned(),
            detail: told.detail,
            data: PyBytes::new(py, &told.data).unbind(),
            number: told.number,
            stream_id: told.stream_id,
            address: told.address.map(|a| a.to_string()).unwrap_or_default(),
        }
    }
}

/// Timed data of a stream's own source.
#[pyclass(frozen, get_all, module = "gateway.codecs")]
pub struct DataEvent {
    stream: u64,
    leg: u64,
    kind: String,
    data: Py<PyBytes>,
}

#[pymethods]
impl DataEvent {
    #[new]
    #[pyo3(signature = (*, stream, leg, kind, data))]
    fn new(stream: u64, leg: u64, kind: String, data: Py<PyBytes>) -> Self {
        Self { stream, leg, kind, data }
    }

    /// Without the bytes: they may tell where somebody is.
    fn __repr__(&self) -> String {
        format!("DataEvent(stream={}, leg={}, kind={:?})", self.stream, self.leg, self.kind)
    }
}

/// What happened to a link bundle.
#[pyclass(frozen, get_all, module = "gateway.codecs")]
pub struct BundleEvent {
    bundle: u64,
    door: u64,
    kind: String,
    code: String,
    detail: String,
    name: String,
    key: Py<PyBytes>,
    number: u64,
    usable_bps: u64,
    wanted_bps: u64,
    host: String,
    host_port: u16,
}

#[pymethods]
impl BundleEvent {
    #[new]
    #[pyo3(signature = (*, bundle, door = 0, kind, code = "", detail = "",
        name = "", key = None, number = 0, usable_bps = 0, wanted_bps = 0, host = "",
        host_port = 0))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        bundle: u64,
        door: u64,
        kind: String,
        code: &str,
        detail: &str,
        name: &str,
        key: Option<Py<PyBytes>>,
        number: u64,
        usable_bps: u64,
        wanted_bps: u64,
        host: &str,
        host_port: u16,
    ) -> Self {
        let key = key.unwrap_or_else(|| PyBytes::new(py, b"").unbind());
        let [code, detail, name, host] = [code, detail, name, host].map(str::to_owned);
        Self { bundle, door, kind, code, detail, name, key, number, usable_bps, wanted_bps, host, host_port }
    }

    /// Without the key, which says no more than the name.
    fn __repr__(&self) -> String {
        format!(
            "BundleEvent(bundle={}, door={}, kind={:?}, code={:?}, detail={:?}, name={:?}, number={}, host={:?})",
            self.bundle, self.door, self.kind, self.code, self.detail, self.name, self.number, self.host
        )
    }
}

impl BundleEvent {
    fn told(py: Python<'_>, told: BundleTold) -> Self {
        Self {
            bundle: told.bundle,
            door: told.door,
            kind: told.kind.name().to_owned(),
            code: told.code.to_owned(),
            detail: told.detail,
            name: told.name,
            key: PyBytes::new(py, &told.key).unbind(),
            number: told.number,
            usable_bps: told.usable_bps,
            wanted_bps: told.wanted_bps,
            host: told.address.map(|a| a.ip().to_string()).unwrap_or_default(),
            host_port: told.address.map_or(0, |a| a.port()),
        }
    }
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<TrackEvent>()?;
    m.add_class::<LegEvent>()?;
    m.add_class::<KeyFrameWanted>()?;
    m.add_class::<Datagram>()?;
    m.add_class::<SubscriptionEvent>()?;
    m.add_class::<SessionEvent>()?;
    m.add_class::<StreamPanic>()?;
    m.add_class::<EventsLost>()?;
    m.add_class::<VoiceEvent>()?;
    m.add_class::<WireEvent>()?;
    m.add_class::<DataEvent>()?;
    m.add_class::<BundleEvent>()?;
    Ok(())
}

/// `TrackEvent | LegEvent | …`
pub fn union(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.get_type::<TrackEvent>()
        .bitor(py.get_type::<LegEvent>())?
        .bitor(py.get_type::<KeyFrameWanted>())?
        .bitor(py.get_type::<Datagram>())?
        .bitor(py.get_type::<SubscriptionEvent>())?
        .bitor(py.get_type::<SessionEvent>())?
        .bitor(py.get_type::<StreamPanic>())?
        .bitor(py.get_type::<EventsLost>())?
        .bitor(py.get_type::<VoiceEvent>())?
        .bitor(py.get_type::<WireEvent>())?
        .bitor(py.get_type::<DataEvent>())?
        .bitor(py.get_type::<BundleEvent>())
}

/// One event as its Python object.
pub fn to_python(py: Python<'_>, event: Event) -> PyResult<Py<PyAny>> {
    Ok(match event {
        Event::Track { stream, params } => Py::new(
            py,
            TrackEvent {
                stream,
                sprop: params.sprop(),
                kind: if params.codec.kind() == Kind::Video { "video" } else { "audio" }.to_owned(),
                codec: params.codec.name().to_owned(),
                clock_hz: params.clock_hz,
                generation: params.generation,
                width: params.width,
                height: params.height,
                profile: params.profile,
                b_frames: params.b_frames,
                channels: params.channels,
            },
        )?
        .into_any(),
        Event::Leg { leg, stream, state, code, detail, address } => Py::new(
            py,
            LegEvent {
                leg,
                stream,
                state: state.name().to_owned(),
                code: code.to_owned(),
                detail,
                address: address.map(|a| a.to_string()).unwrap_or_default(),
            },
        )?
        .into_any(),
        Event::KeyFrameWanted { stream, cause } => {
            Py::new(py, KeyFrameWanted { stream, cause: cause.name().to_owned() })?.into_any()
        }
        Event::Datagram { session, port, data, from } => Py::new(
            py,
            Datagram {
                session,
                port,
                data: PyBytes::new(py, &data).unbind(),
                host: from.ip().to_string(),
                host_port: from.port(),
            },
        )?
        .into_any(),
        Event::Subscription { subscription, stream, state, code, detail } => Py::new(
            py,
            SubscriptionEvent { subscription, stream, state: state.name().to_owned(), code: code.to_owned(), detail },
        )?
        .into_any(),
        Event::Session { session, state, address } => Py::new(
            py,
            SessionEvent {
                session,
                state: state.name().to_owned(),
                host: address.map(|a| a.ip().to_string()).unwrap_or_default(),
                host_port: address.map_or(0, |a| a.port()),
            },
        )?
        .into_any(),
        Event::StreamPanic { stream, detail } => Py::new(py, StreamPanic { stream, detail })?.into_any(),
        Event::Voice { voice, state, code, detail, address } => Py::new(
            py,
            VoiceEvent {
                voice,
                state: state.name().to_owned(),
                code: code.to_owned(),
                detail,
                address: address.map(|a| a.to_string()).unwrap_or_default(),
            },
        )?
        .into_any(),
        Event::Data { stream, leg, kind, data } => {
            let (kind, data) = (kind.name().to_owned(), PyBytes::new(py, &data).unbind());
            Py::new(py, DataEvent { stream, leg, kind, data })?.into_any()
        }
        Event::Bundle(told) => Py::new(py, BundleEvent::told(py, told))?.into_any(),
        Event::Wire(told) => Py::new(py, WireEvent::told(py, told))?.into_any(),
        Event::EventsLost { count } => Py::new(py, EventsLost { count })?.into_any(),
    })
}
