//! A primary of PostgreSQL with two standbys, one of which confirms every commit, and the network before each.

use latchkey_fleet::postgres::Postgres;
use latchkey_fleet::wire::Wire;
use tokio_postgres::Client;

/// What each is called by the others.
const NAMES: [&str; 3] = ["a", "b", "c"];
/// The same for all: each may be the primary one day.
const SETTINGS: [&str; 2] = ["synchronous_standby_names=ANY 1 (a, b, c)", "wal_keep_size=256MB"];

/// Three machines.
pub(crate) struct Machines {
    pub(crate) all: Vec<Postgres>,
    pub(crate) wires: Vec<Wire>,
    /// Which of them takes writes.
    primary: usize,
}

impl Machines {
    pub(crate) async fn start() -> Self {
        let mut all = vec![Postgres::start(&SETTINGS).await];
        for name in &NAMES[1..] {
            let standby = all[0].standby(name, &SETTINGS).await;
            all.push(standby);
        }
        let mut wires = Vec::new();
        for machine in &all {
            wires.push(Wire::to(machine.folder()).await);
        }
        Self { all, wires, primary: 0 }
    }

    /// The setting `store.url`.
    pub(crate) fn url(&self) -> String {
        Wire::url_of(&self.wires)
    }

    pub(crate) fn primary(&mut self) -> &mut Postgres {
        &mut self.all[self.primary]
    }

    /// Where the others are in the list.
    pub(crate) fn standbys(&self) -> [usize; 2] {
        [(self.primary + 1) % 3, (self.primary + 2) % 3]
    }

    /// The primary is gone: the standby that has received the most takes its place, and the other two follow that.
    pub(crate) async fn fail_over(&mut self) {
        let [one, other] = self.standbys();
        let (further, behind) = if self.received(one).await >= self.received(other).await {
            (one, other)
        } else {
            (other, one)
        };
        self.all[further].promote().await;
        let former = std::mem::replace(&mut self.primary, further);
        for standby in [behind, former] {
            let two = self.all.get_disjoint_mut([standby, further]);
            let [machine, primary] = two.expect("two of three machines");
            machine.follow(primary, NAMES[standby]).await;
        }
    }

    /// How far a standby has come, as a number.
    async fn received(&self, standby: usize) -> u64 {
        let sql = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')";
        self.all[standby].one(sql).await.parse().expect("a number")
    }
}

/// All connections that a server has: those of others are ended, and nobody gets one any more.
pub(crate) async fn connections(to: &Postgres) -> Vec<Client> {
    let mut taken = vec![to.connect().await.expect("one connection")];
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE application_name LIKE 'latchkey%'";
    taken[0].batch_execute(end).await.expect("the right to");
    while let Some(client) = to.connect().await {
        taken.push(client);
    }
    taken
}
