//! The yumen binary.
fn main() -> anyhow::Result<std::process::ExitCode> {
    let args: Vec<String> = std::env::args().collect();
    gateway::serve::run(std::path::Path::new(&args[3]))
}
