//! The yumen binary: arguments to runners, nothing else.

use std::process::ExitCode;
use std::sync::Arc;

use gateway::book::Registry;
use gateway::cli::{self, AuditShowArgs, Runners};
use gateway::{demo, serve};

fn main() -> ExitCode {
    cli::run(&Runners {
        serve: |args| serve::run(&args.config),
        demo: |args| demo::run(&args.listen, &args.admin),
        audit_show: show,
        book: Arc::new(Registry),
    })
}

/// Records are JSON lines with and without `--json`: they are made to be read by both.
fn show(args: AuditShowArgs) -> anyhow::Result<ExitCode> {
    journal::read::dump(&args.dir, &mut std::io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}
