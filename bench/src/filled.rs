//! A full PostgreSQL against an empty one.

use crate::case::Case;
use crate::copies::{self, Copies};
use crate::flood::thousands;
use crate::host::Setup;
use crate::ids::Ids;
use crate::proof;
use crate::rounds::take_turns;
use crate::seed::Size;
use crate::stage::{Bench, Pair, STRIDE, seats};
use crate::{clock, host};
use anyhow::{Result, ensure};
use clap::ValueEnum;
use latchkey_protocol::payload::MAX_ENTRIES;
use serde::Serialize;
use std::path::Path;

/// Entries of each page when activities are many.
const FEW: usize = 2;

/// What a full database is full of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// One activity with very many entries.
    Deep,
    /// Very many activities with a few entries each.
    Wide,
}

impl Shape {
    /// In words, with its figures.
    pub(crate) fn told(self, size: Size) -> String {
        match self {
            Self::Deep => format!("{} entries in one activity", thousands(size.entries as u64)),
            Self::Wide => format!("{} activities", thousands(size.activities as u64)),
        }
    }

    fn copies(self, size: Size) -> Copies {
        let activities = if self == Self::Deep { 1 } else { size.activities };
        Copies { users: size.users, activities }
    }

    /// Entries of each page.
    fn entries(self, size: Size) -> usize {
        if self == Self::Deep { size.entries / size.users.max(1) } else { FEW }
    }

    /// The user and activity of client `number`: never those of the page that was copied.
    fn place(self, size: Size, number: usize) -> (usize, usize) {
        let number = 1 + number * STRIDE;
        match self {
            Self::Deep => (1 + number % (size.users - 1), 0),
            Self::Wide => {
                let activity = 1 + number % (size.activities - 1);
                (activity % size.users, activity)
            }
        }
    }
}

/// The same calls on a full database and on an empty one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Filled {
    pub(crate) shape: Shape,
    pub(crate) size: Size,
    /// The full one is the first.
    pub(crate) pair: Pair,
}

impl Filled {
    /// How many times longer a call takes on the full one.
    pub(crate) fn slower(&self) -> f64 {
        1.0 / self.pair.gain().max(f64::MIN_POSITIVE)
    }
}

impl Bench {
    /// Fills the database of that data folder.
    pub(crate) async fn fill(&self, shape: Shape, size: Size, data: &Path) -> Result<()> {
        let entries = shape.entries(size);
        ensure!(
            size.users > 1 && size.activities > 1 && (1..=MAX_ENTRIES).contains(&entries),
            "at least two users and activities, and 1 to {MAX_ENTRIES} entries for each user"
        );
        println!("\nfilling a database: {}", shape.told(size));
        let (start, mut ids) = (clock::now(), Ids::new()?);
        let server = self.place.latchkey(data, Setup::USUAL).await?;
        let launch = self.host.launch(&host::user(0), &host::activity(0), ids.key())?;
        let now = clock::wall_millis();
        let names: Vec<_> = (0..=entries).map(|_| ids.uuid_text(now)).collect();
        proof::write_page(&server.address(), &launch, &names).await?;
        server.stop()?;
        let store = &self.place.store;
        let clients = [store.connect(data).await?, store.connect(data).await?];
        copies::make(clients, shape.copies(size)).await?;
        println!("  filled in {:.0} s", start.elapsed().as_secs_f64());
        let server = self.place.latchkey(data, Setup::USUAL).await?;
        proof::read_back(&store.connect(data).await?, &server.address(), &self.host).await?;
        server.stop()
    }

    /// Calls on the full database of that data folder and on a new one, in turn, by the same users in the same
    /// activities.
    pub(crate) async fn full_and_empty(
        &self,
        (shape, size): (Shape, Size),
        (case, connections): (Case, usize),
        data: &Path,
    ) -> Result<Filled> {
        println!("\n{case}, {connections} connections, {} and none", shape.told(size));
        let new = self.new_folder()?;
        // Each case has users of its own: what one has written is not what the next reads.
        let first = connections * case as usize;
        let seats = seats(connections, |number| shape.place(size, first + number));
        let mut there = seats.clone();
        for seat in &mut there {
            // What is asked for is then what was copied, and lies apart.
            seat.filled = shape == Shape::Deep;
        }
        let mut full = self.subject(case, data, Setup::USUAL, &there).await?;
        let mut empty = self.subject(case, new.path(), Setup::USUAL, &seats).await?;
        let mut pair = [full.contender("full"), empty.contender("empty")];
        take_turns(&mut pair, self.pace, data, self.place.store.pid()).await?;
        let [one, other] = pair;
        full.finish(self, case, &one).await?;
        empty.finish(self, case, &other).await?;
        let (one, other) = (one.series(), other.series());
        Ok(Filled { shape, size, pair: Pair { case, connections, one, other } })
    }
}
