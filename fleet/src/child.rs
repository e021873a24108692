//! Programs that go with us.

use std::ffi::OsStr;
use tokio::process::Command;

/// A program that is killed when nobody holds it any more, and by the system when this process ends, however that
/// is and even while it stands still.
///
/// The system looks at the thread that started it: it must not be one of those that come and go.
pub(crate) fn child(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program).kill_on_drop(true);
    command
}
