//! Two servers behind nginx against one behind it, on one PostgreSQL.

use crate::case::Case;
use crate::host::Setup;
use crate::link::Address;
use crate::process::Running;
use crate::rounds::{Contender, Pace, Series, take_turns};
use crate::rows::Rows;
use crate::stage::{Bench, Pair, Subject, apart};
use anyhow::{Result, bail};
use latchkey_fleet::balancer::Balancer;
use serde::Serialize;
use std::path::Path;

/// How many times more rounds there are here: seven processes share the cores in more ways than two, and two servers
/// differ from one by less than single rounds do.
const MORE_ROUNDS: u32 = 3;

/// What several servers come to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Nodes {
    /// Two servers behind nginx are the first, one behind nginx is the other.
    pub(crate) pair: Pair,
    /// That one, asked directly.
    pub(crate) direct: Series,
}

impl Bench {
    /// Two servers behind nginx, one behind nginx, and that one directly, in turn. Each site has a database of its own.
    pub(crate) async fn nodes(&self, case: Case, connections: usize) -> Result<Nodes> {
        println!("\n{case}, {connections} connections, one and two servers behind nginx");
        let (one, two, second) = (self.new_folder()?, self.new_folder()?, self.new_folder()?);
        let mut single = self.site(one.path(), None).await?;
        let mut double = self.site(two.path(), Some(second.path())).await?;
        let (before_one, behind_one) = balanced(one.path(), &single).await?;
        let (before_two, behind_two) = balanced(two.path(), &double).await?;
        let seats = apart(connections);
        let mut all = Vec::new();
        for (name, site, place) in
            [("two, nginx", &mut double, behind_two), ("one, nginx", &mut single, behind_one)]
        {
            site.clients = self.clients(case, &place.0, &seats).await?;
            all.push(site.contender_at(name, place));
        }
        single.clients = self.clients(case, &single.servers[0].address(), &seats).await?;
        all.push(single.contender("one, direct"));
        let pace = Pace { windows: self.pace.windows * MORE_ROUNDS, ..self.pace };
        take_turns(&mut all, pace, one.path(), self.place.store.pid()).await?;
        drop((before_one, before_two));
        let answers: Vec<u64> = all.iter().map(|contender| contender.answers).collect();
        let mut series = all.into_iter().map(Contender::series);
        let (Some(one), Some(other), Some(direct)) = (series.next(), series.next(), series.next())
        else {
            bail!("three took turns");
        };
        double.count(self, case, answers[0]).await?;
        single.count(self, case, answers[1] + answers[2]).await?;
        Ok(Nodes { pair: Pair { case, connections, one, other }, direct })
    }

    /// One server or two on a database of their own, as yet without clients.
    async fn site<'a>(&self, data: &'a Path, second: Option<&Path>) -> Result<Subject<'a>> {
        let mut servers = vec![self.place.latchkey(data, Setup::USUAL).await?];
        if let Some(second) = second {
            servers.push(self.place.second(data, second, Setup::USUAL).await?);
        }
        let (clients, before) = (Vec::new(), Rows::default());
        Ok(Subject { data, servers, clients, before, prepared: 0 })
    }
}

/// nginx before a site, with the file that the documentation shows; where it is asked, and all processes behind that.
async fn balanced(folder: &Path, site: &Subject<'_>) -> Result<(Balancer, (Address, Vec<u32>))> {
    let servers: Vec<_> = site.servers.iter().map(|server| server.address).collect();
    let balancer = Balancer::start(folder, &servers).await;
    let address = balancer.place();
    let mut pids: Vec<u32> = site.servers.iter().map(Running::pid).collect();
    pids.push(balancer.pid());
    Ok((balancer, (address, pids)))
}
