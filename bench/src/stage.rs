//! The measured stages: a store, a case and a number of connections each.

use crate::bare;
use crate::case::Case;
use crate::client::Client;
use crate::host::{self, Host};
use crate::ids::Ids;
use crate::process::{Place, Running};
use crate::rounds::{Contender, Pace, Series, line, take_turns};
use crate::rows::Rows;
use crate::seed::Size;
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

/// Most calls of one commit, as the server does by default.
pub(crate) const GROUP: usize = 512;
/// Spreads the clients over the users of a filled store: prime, so that none is met twice.
const STRIDE: usize = 7_919;

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

/// Group commit against one commit for each call.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Grouping {
    pub(crate) case: Case,
    pub(crate) connections: usize,
    pub(crate) grouped: Series,
    pub(crate) single: Series,
}

impl Row {
    /// Latchkey's rate as a share of the bare handler's.
    pub(crate) fn share(&self) -> f64 {
        ratio(&self.latchkey, &self.bare)
    }
}

impl Grouping {
    /// How many times faster group commit is.
    pub(crate) fn gain(&self) -> f64 {
        ratio(&self.grouped, &self.single)
    }
}

fn ratio(one: &Series, other: &Series) -> f64 {
    one.median.requests_per_second / other.median.requests_per_second.max(f64::MIN_POSITIVE)
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
        let mut subject = self.subject(case, connections, (data, GROUP), size).await?;
        let mut pair =
            [subject.contender("latchkey"), bare_contender(&self.bare, case, connections)?];
        take_turns(&mut pair, self.pace, data, self.place.store.pid()).await?;
        let [latchkey, bare] = pair;
        subject.finish(self, case, &latchkey).await?;
        Ok(Row { filling, case, connections, latchkey: latchkey.series(), bare: bare.series() })
    }

    /// The server with group commit against the same server with a commit for each call.
    pub(crate) async fn grouping(&self, case: Case, connections: usize) -> Result<Grouping> {
        println!("\n{case}, {connections} connections, with and without group commit");
        let (one, other) = (self.new_folder()?, self.new_folder()?);
        let mut grouped = self.subject(case, connections, (one.path(), GROUP), None).await?;
        let mut single = self.subject(case, connections, (other.path(), 1), None).await?;
        let mut pair = [grouped.contender("grouped"), single.contender("one by one")];
        take_turns(&mut pair, self.pace, one.path(), self.place.store.pid()).await?;
        let [first, second] = pair;
        grouped.finish(self, case, &first).await?;
        single.finish(self, case, &second).await?;
        Ok(Grouping { case, connections, grouped: first.series(), single: second.series() })
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
        println!("  share       {:>8.3}", ratio(&one, &other));
        Ok(())
    }

    /// A server on `data` and clients whose keys it has started.
    async fn subject<'a>(
        &self,
        case: Case,
        connections: usize,
        (data, group): (&'a Path, usize),
        size: Option<Size>,
    ) -> Result<Subject<'a>> {
        let before = Rows::count(&self.place.store, data).await?;
        let server = self.place.latchkey(data, group).await?;
        let mut clients = Vec::with_capacity(connections);
        for number in 0..connections {
            let (user, activity) = match size {
                Some(size) => size.place(number * STRIDE),
                None => (number, number),
            };
            let who = (host::user(user), host::activity(activity));
            let who = (who.0.as_str(), who.1.as_str());
            let ids = Ids::new()?;
            clients.push(Client::start(case, server.address, &self.host, who, ids).await?);
        }
        Ok(Subject { data, server, clients, before, prepared: 0 })
    }
}

fn bare_contender(server: &Running, case: Case, connections: usize) -> Result<Contender> {
    let clients = (0..connections)
        .map(|_| Client::bare(case, bare::TOKEN, Ids::new()?))
        .collect::<Result<_>>()?;
    let server = (server.address, server.pid());
    Ok(Contender::new("bare", server, clients))
}

/// A server under test, between its start and the counting of its rows.
struct Subject<'a> {
    data: &'a Path,
    server: Running,
    clients: Vec<Client>,
    before: Rows,
    prepared: u64,
}

impl Subject<'_> {
    fn contender(&mut self, name: &'static str) -> Contender {
        let clients = std::mem::take(&mut self.clients);
        self.prepared = clients.iter().map(|client| client.prepared).sum();
        Contender::new(name, (self.server.address, self.server.pid()), clients)
    }

    /// Stops the server and holds its rows against the answers it gave.
    async fn finish(self, bench: &Bench, case: Case, contender: &Contender) -> Result<()> {
        self.server.stop()?;
        let answers = contender.answers;
        let written = if case.writes() { answers } else { 0 };
        let mut due = Rows { logs: self.prepared, submissions: 0 };
        match case {
            Case::Grade => due.submissions += written,
            _ => due.logs += written,
        }
        self.before
            .grew_by(due, Rows::count(&bench.place.store, self.data).await?)
            .with_context(|| format!("{case}"))?;
        let moved = contender.clients.iter().filter(|client| client.generation() > 0).count();
        println!("  rows counted: {answers} answers, {written} rows; {moved} keys moved on");
        Ok(())
    }
}
