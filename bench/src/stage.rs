//! The measured stages: a store, a case and a number of connections each.

use crate::bare;
use crate::case::Case;
use crate::client::{Client, Seat};
use crate::host::{Host, Setup};
use crate::ids::Ids;
use crate::link::Address;
use crate::process::{Place, Running};
use crate::rounds::{Contender, Pace, Series, line, take_turns};
use crate::rows::Rows;
use crate::seed::Size;
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

/// Spreads the clients over the users of a full store: prime, so that none is met twice.
pub(crate) const STRIDE: usize = 7_919;

/// What is in the store beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Filling {
    /// Nothing: a new one for each stage.
    Empty,
    /// What [`crate::seed`] wrote.
    Filled,
}

/// The bench at work.
pub(crate) struct Bench {
    pub(crate) place: Place,
    pub(crate) host: Host,
    pub(crate) bare: Running,
    pub(crate) pace: Pace,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) filling: Filling,
    pub(crate) case: Case,
    pub(crate) connections: usize,
    pub(crate) latchkey: Series,
    pub(crate) bare: Series,
}

/// Two servers that differ in one thing, in turn.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Pair {
    pub(crate) case: Case,
    pub(crate) connections: usize,
    pub(crate) one: Series,
    pub(crate) other: Series,
}

impl Row {
    /// Latchkey's rate as a share of the bare handler's.
    pub(crate) fn share(&self) -> f64 {
        self.latchkey.share_of(&self.bare)
    }

    /// How many windows were disturbed to the last.
    pub(crate) fn noisy(&self) -> usize {
        self.latchkey.noisy + self.bare.noisy
    }
}

impl Pair {
    /// How many times faster the one is.
    pub(crate) fn gain(&self) -> f64 {
        self.one.share_of(&self.other)
    }

    /// How many windows were disturbed to the last.
    pub(crate) fn noisy(&self) -> usize {
        self.one.noisy + self.other.noisy
    }
}

impl Bench {
    /// Latchkey on an empty store against the bare handler.
    pub(crate) async fn empty(&self, case: Case, connections: usize) -> Result<Row> {
        let data = self.new_folder()?;
        self.row(case, connections, data.path(), None).await
    }

    /// Latchkey on the filled store in `data` against the bare handler.
    pub(crate) async fn filled(
        &self,
        case: Case,
        connections: usize,
        data: &Path,
        size: Size,
    ) -> Result<Row> {
        self.row(case, connections, data, Some(size)).await
    }

    /// A data folder that goes away.
    pub(crate) fn new_folder(&self) -> Result<tempfile::TempDir> {
        tempfile::tempdir_in(&self.place.folder).context("making a data folder")
    }

    async fn row(
        &self,
        case: Case,
        connections: usize,
        data: &Path,
        size: Option<Size>,
    ) -> Result<Row> {
        let filling = size.map_or(Filling::Empty, |_| Filling::Filled);
        println!("\n{case}, {connections} connections, {filling:?} store");
        let seats = match size {
            Some(size) => seats(connections, |number| size.place(number * STRIDE)),
            None => apart(connections),
        };
        let mut subject = self.subject(case, data, Setup::USUAL, &seats).await?;
        let mut pair =
            [subject.contender("latchkey"), bare_contender(&self.bare, case, connections)?];
        take_turns(&mut pair, self.pace, data, self.place.store.pid()).await?;
        let [latchkey, bare] = pair;
        subject.finish(self, case, &latchkey).await?;
        Ok(Row { filling, case, connections, latchkey: latchkey.series(), bare: bare.series() })
    }

    /// The server with group commit against the same server with a commit for each call.
    pub(crate) async fn grouping(&self, case: Case, connections: usize) -> Result<Pair> {
        println!("\n{case}, {connections} connections, with and without group commit");
        let setups = [("grouped", Setup::USUAL), ("one by one", Setup::ONE_BY_ONE)];
        self.pair(case, connections, setups).await
    }

    /// The server that counts for Prometheus against one that does not.
    pub(crate) async fn metrics(&self, case: Case, connections: usize) -> Result<Pair> {
        println!("\n{case}, {connections} connections, with and without metrics");
        let setups = [("metrics", Setup::METERED), ("no metrics", Setup::USUAL)];
        self.pair(case, connections, setups).await
    }

    async fn pair(
        &self,
        case: Case,
        connections: usize,
        [first, second]: [(&'static str, Setup); 2],
    ) -> Result<Pair> {
        let (one, other) = (self.new_folder()?, self.new_folder()?);
        let seats = apart(connections);
        let mut a = self.subject(case, one.path(), first.1, &seats).await?;
        let mut b = self.subject(case, other.path(), second.1, &seats).await?;
        let mut pair = [a.contender(first.0), b.contender(second.0)];
        take_turns(&mut pair, self.pace, one.path(), self.place.store.pid()).await?;
        let [first, second] = pair;
        a.finish(self, case, &first).await?;
        b.finish(self, case, &second).await?;
        Ok(Pair { case, connections, one: first.series(), other: second.series() })
    }

    /// The bare handler against another process of itself: how far from 1 the share is tells how
    /// far this machine can be trusted.
    pub(crate) async fn calibrate(&self, case: Case, connections: usize) -> Result<()> {
        println!("\n{case}, {connections} connections, the bare handler against itself");
        let twin = self.place.bare()?;
        let mut pair = [
            bare_contender(&self.bare, case, connections)?,
            bare_contender(&twin, case, connections)?,
        ];
        take_turns(&mut pair, self.pace, &self.place.folder, None).await?;
        let [one, other] = pair.map(Contender::series);
        println!("  medians     {}", line(&one.median));
        println!("              {}", line(&other.median));
        println!("  share       {:>8.3}", one.share_of(&other));
        Ok(())
    }

    /// A server on `data` and clients whose keys it has started.
    pub(crate) async fn subject<'a>(
        &self,
        case: Case,
        data: &'a Path,
        setup: Setup,
        seats: &[Seat],
    ) -> Result<Subject<'a>> {
        let before = Rows::count(&self.place.store, data).await?;
        let servers = vec![self.place.latchkey(data, setup).await?];
        let clients = self.clients(case, &servers[0].address(), seats).await?;
        Ok(Subject { data, servers, clients, before, prepared: 0 })
    }

    /// Clients whose keys are started there.
    pub(crate) async fn clients(
        &self,
        case: Case,
        address: &Address,
        seats: &[Seat],
    ) -> Result<Vec<Client>> {
        let mut clients = Vec::with_capacity(seats.len());
        for seat in seats {
            clients.push(Client::start(case, address, &self.host, seat, Ids::new()?).await?);
        }
        Ok(clients)
    }
}

/// The seats of so many clients.
pub(crate) fn seats(count: usize, place: impl Fn(usize) -> (usize, usize)) -> Vec<Seat> {
    (0..count).map(|number| Seat::new(place(number))).collect()
}

/// The same where each has a user and an activity of its own.
pub(crate) fn apart(count: usize) -> Vec<Seat> {
    seats(count, |number| (number, number))
}

/// The bare handler as one that takes turns.
pub(crate) fn bare_contender(
    server: &Running,
    case: Case,
    connections: usize,
) -> Result<Contender> {
    let clients = (0..connections)
        .map(|_| Client::bare(case, bare::TOKEN, Ids::new()?))
        .collect::<Result<_>>()?;
    let server = (server.address(), vec![server.pid()]);
    Ok(Contender::new("bare", server, clients))
}

/// The servers under test on one database, between their start and the counting of their rows.
pub(crate) struct Subject<'a> {
    pub(crate) data: &'a Path,
    pub(crate) servers: Vec<Running>,
    pub(crate) clients: Vec<Client>,
    pub(crate) before: Rows,
    /// Entries that the clients wrote before they were measured.
    pub(crate) prepared: u64,
}

impl Subject<'_> {
    /// Its clients, asking the first of the servers.
    pub(crate) fn contender(&mut self, name: &'static str) -> Contender {
        let (address, pid) = (self.servers[0].address(), self.servers[0].pid());
        self.contender_at(name, (address, vec![pid]))
    }

    /// Its clients, asking there; with the processes behind it.
    pub(crate) fn contender_at(
        &mut self,
        name: &'static str,
        place: (Address, Vec<u32>),
    ) -> Contender {
        let clients = std::mem::take(&mut self.clients);
        self.prepared += clients.iter().map(|client| client.prepared).sum::<u64>();
        Contender::new(name, place, clients)
    }

    /// Stops the servers and holds their rows against the answers that one who took turns got.
    pub(crate) async fn finish(self, bench: &Bench, case: Case, asked: &Contender) -> Result<()> {
        let moved = asked.clients.iter().filter(|client| client.generation() > 0).count();
        println!("  {moved} keys moved on");
        self.count(bench, case, asked.answers).await
    }

    /// Stops the servers and holds their rows against so many answers.
    pub(crate) async fn count(self, bench: &Bench, case: Case, answers: u64) -> Result<()> {
        for server in self.servers {
            server.stop()?;
        }
        let written = if case.writes() { answers } else { 0 };
        let mut due = Rows { logs: self.prepared, submissions: 0 };
        match case {
            Case::Grade => due.submissions += written,
            _ => due.logs += written,
        }
        self.before
            .grew_by(due, Rows::count(&bench.place.store, self.data).await?)
            .with_context(|| format!("{case}"))?;
        println!("  rows counted: {answers} answers, {written} rows");
        Ok(())
    }
}
