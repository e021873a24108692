//! What can happen, and how the stage stands again.

use crate::machines::{Machines, connections};
use latchkey_fleet::fleet::Fleet;
use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Duration;
use tokio::time::sleep;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    ServerKilled,
    AllServersKilled,
    ServerPaused,
    ClockWrong,
    DatabaseKilled,
    DatabaseRestarted,
    DatabasePaused,
    NetworkSilent,
    ConnectionsTaken,
    StrandsHeld,
    StandbyKilled,
    PrimaryLost,
}

impl Fault {
    pub(crate) const ALL: [Self; 12] = [
        Self::ServerKilled,
        Self::AllServersKilled,
        Self::ServerPaused,
        Self::ClockWrong,
        Self::DatabaseKilled,
        Self::DatabaseRestarted,
        Self::DatabasePaused,
        Self::NetworkSilent,
        Self::ConnectionsTaken,
        Self::StrandsHeld,
        Self::StandbyKilled,
        Self::PrimaryLost,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ServerKilled => "a server killed",
            Self::AllServersKilled => "all servers killed",
            Self::ServerPaused => "a server paused",
            Self::ClockWrong => "a server's clock wrong",
            Self::DatabaseKilled => "the primary killed and started again",
            Self::DatabaseRestarted => "the primary restarted",
            Self::DatabasePaused => "the primary paused",
            Self::NetworkSilent => "the network to the database silent",
            Self::ConnectionsTaken => "no connection free",
            Self::StrandsHeld => "all strands held",
            Self::StandbyKilled => "a standby killed",
            Self::PrimaryLost => "the primary lost, a standby promoted",
        }
    }
}

/// All that faults befall.
pub(crate) struct Stage {
    pub(crate) machines: Machines,
    pub(crate) fleet: Fleet,
    pub(crate) chance: StdRng,
}

impl Stage {
    /// Lets it happen, for a moment, and sets the stage up again.
    pub(crate) async fn befall(&mut self, fault: Fault) {
        let moment = Duration::from_millis(self.chance.random_range(50..3_000));
        match fault {
            Fault::ServerKilled
            | Fault::AllServersKilled
            | Fault::ServerPaused
            | Fault::ClockWrong => self.befall_servers(fault, moment).await,
            _ => self.befall_database(fault, moment).await,
        }
    }

    async fn befall_servers(&mut self, fault: Fault, moment: Duration) {
        let nodes = self.fleet.nodes.len();
        let victim = self.chance.random_range(0..nodes);
        match fault {
            Fault::ServerPaused => {
                self.fleet.nodes[victim].pause().await;
                sleep(moment).await;
                self.fleet.nodes[victim].wake().await;
            }
            Fault::ClockWrong => {
                let wrong = if self.chance.random() { 5 } else { -5 };
                self.fleet.nodes[victim].kill().await;
                self.fleet.nodes[victim].again(Some(wrong)).await;
                sleep(moment).await;
                self.fleet.nodes[victim].kill().await;
                self.fleet.nodes[victim].again(None).await;
            }
            _ => {
                let all = fault == Fault::AllServersKilled;
                let victims = if all { 0..nodes } else { victim..victim + 1 };
                for node in &mut self.fleet.nodes[victims.clone()] {
                    node.kill().await;
                }
                sleep(moment).await;
                for node in &mut self.fleet.nodes[victims] {
                    node.again(None).await;
                }
            }
        }
    }

    async fn befall_database(&mut self, fault: Fault, moment: Duration) {
        let machines = &mut self.machines;
        match fault {
            Fault::DatabaseKilled => {
                machines.primary().kill().await;
                sleep(moment).await;
                machines.primary().up().await;
            }
            Fault::DatabaseRestarted => {
                machines.primary().stop().await;
                machines.primary().up().await;
            }
            Fault::DatabasePaused => {
                machines.primary().pause().await;
                sleep(moment).await;
                machines.primary().wake().await;
            }
            Fault::NetworkSilent => {
                machines.wires.iter().for_each(latchkey_fleet::wire::Wire::cut);
                // Longer than anything a server waits for.
                sleep(4 * moment).await;
                machines.wires.iter().for_each(latchkey_fleet::wire::Wire::mend);
            }
            Fault::ConnectionsTaken => {
                let taken = connections(machines.primary()).await;
                sleep(2 * moment).await;
                drop(taken);
            }
            Fault::StrandsHeld => {
                let held = machines.primary().hold_strands().await;
                sleep(2 * moment).await;
                drop(held);
            }
            Fault::StandbyKilled => {
                let standby = machines.standbys()[usize::from(self.chance.random::<bool>())];
                machines.all[standby].kill().await;
                sleep(moment).await;
                machines.all[standby].up().await;
            }
            _ => {
                machines.primary().kill().await;
                sleep(moment).await;
                machines.fail_over().await;
            }
        }
    }
}
