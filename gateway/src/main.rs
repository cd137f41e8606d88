//! The yumen binary: arguments to runners, nothing else.

use std::process::ExitCode;
use std::sync::Arc;

use gateway::book::Registry;
use gateway::cli::{self, Runners};
use gateway::{demo, serve};

fn main() -> ExitCode {
    cli::run(&Runners {
        serve: |args| serve::run(&args.config),
        demo: |args| demo::run(&args.listen, &args.admin),
        book: Arc::new(Registry),
    })
}
