//! Latency at half of the load that a server can bear, when calls come at a constant rate.

use crate::case::Case;
use crate::host::Setup;
use crate::load::Demand;
use crate::rounds::{Pace, take_turns};
use crate::stage::{Bench, Pair, apart, bare_contender};
use anyhow::Result;
use serde::Serialize;

/// A server at half of its rate, and the bare handler at the same.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HalfLoad {
    /// The server's rate when each connection calls again at once.
    pub(crate) full: f64,
    /// The server is the first, the bare handler the other.
    pub(crate) pair: Pair,
}

impl Bench {
    /// Finds out how many calls a second the server answers, on an empty store, and measures it at half of that.
    pub(crate) async fn half_load(&self, case: Case, connections: usize) -> Result<HalfLoad> {
        println!("\n{case}, {connections} connections, at half load");
        let data = self.new_folder()?;
        let seats = apart(connections);
        let mut subject = self.subject(case, data.path(), Setup::USUAL, &seats).await?;
        let mut pair =
            [subject.contender("latchkey"), bare_contender(&self.bare, case, connections)?];
        let store = self.place.store.pid();
        let first = Pace { windows: self.pace.windows.min(3), ..self.pace };
        take_turns(&mut pair[..1], first, data.path(), store).await?;
        let full = pair[0].take_series().median.requests_per_second;
        println!("  half of that: {:.0} calls a second", full / 2.0);
        for contender in &mut pair {
            contender.demand = Demand::Open(full / 2.0);
        }
        take_turns(&mut pair, self.pace, data.path(), store).await?;
        let [latchkey, bare] = pair;
        subject.finish(self, case, &latchkey).await?;
        let (one, other) = (latchkey.series(), bare.series());
        Ok(HalfLoad { full, pair: Pair { case, connections, one, other } })
    }
}
