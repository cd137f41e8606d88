//! The gateway's own log: to stderr, as text or as one JSON object per line.
//!
//! Knows no message. Messages are lowercase with fields and never hold a body, a key or what a client sent unescaped.
//! Dependencies speak only from `warn` on: their debug output may print headers.

use std::error::Error;
use std::io::{self, IsTerminal as _};

use tracing::Subscriber;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::schema::{Log, LogFormat, LogLevel};

/// Crates whose level the config sets.
const OURS: [&str; 6] = ["gateway", "yumen", "adapters", "policies", "wire", "sim"];

/// Installs the log for the whole process. Once.
///
/// # Errors
/// If there is one already.
pub fn init(log: &Log) -> Result<(), Box<dyn Error + Send + Sync>> {
    // https://no-color.org: any value but the empty one.
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = !no_color && io::stderr().is_terminal();
    tracing::subscriber::set_global_default(subscriber(log, colour, io::stderr))?;
    Ok(())
}

fn subscriber<W>(log: &Log, colour: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = match log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let others = if log.level == LogLevel::Error {
        "error"
    } else {
        "warn"
    };
    let rules = OURS.map(|name| format!("{name}={level}")).join(",");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{others},{rules}")))
        .with_writer(writer);
    match log.format {
        LogFormat::Text => Box::new(builder.with_ansi(colour).finish()),
        LogFormat::Json => Box::new(
            builder
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .finish(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, level: LogLevel) -> String {
        let sink = Sink::default();
        let to = sink.clone();
        let log = Log { format, level };
        tracing::subscriber::with_default(subscriber(&log, false, move || to.clone()), || {
            tracing::info!(provider = "near", "reached");
            tracing::debug!("detail");
            tracing::debug!(target: "h2::codec", "frame with a header");
            tracing::warn!(target: "rustls", "theirs");
        });
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_and_json() {
        let text = written(LogFormat::Text, LogLevel::Info);
        assert!(
            text.contains("reached provider=\"near\"") && !text.contains("detail"),
            "{text}"
        );
        let json = written(LogFormat::Json, LogLevel::Info);
        let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
        assert_eq!(first["message"], "reached");
        assert_eq!(first["provider"], "near");
    }

    #[test]
    fn dependencies_stay_quiet_at_debug() {
        let text = written(LogFormat::Text, LogLevel::Debug);
        assert!(text.contains("detail") && text.contains("theirs") && !text.contains("frame"));
        assert!(!written(LogFormat::Text, LogLevel::Error).contains("theirs"));
    }
}
