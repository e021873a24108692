//! Telling hosts what happened: real receivers, each with its own misbehaviour.

mod command;
mod failing;
mod killed;
mod library;
mod receiver;
mod refused;
mod told;

use crate::server::Server;
use latchkey_server::config::{Config, WebhookConfig};
use latchkey_server::store::{EventKind, WebhookState};
use receiver::{Received, Receiver, SECRET};

/// A webhook of the host `school` that wants everything.
fn webhook(id: &str, url: &str) -> WebhookConfig {
    WebhookConfig {
        id: id.into(),
        url: url.into(),
        events: EventKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect(),
        secret: SECRET.into(),
        former_secret: None,
    }
}

/// A server whose host `school` has that webhook, and which may talk to this machine.
async fn server_for(url: &str, events: &[&str]) -> Server {
    server_with(url, |config| {
        config.hosts[0].webhooks[0].events = events.iter().map(|&name| name.to_owned()).collect();
    })
    .await
}

async fn server_with(url: &str, change: impl FnOnce(&mut Config)) -> Server {
    Server::start_with(|config| {
        config.webhooks.networks = vec!["127.0.0.1".into()];
        config.hosts[0].webhooks = vec![webhook("main", url)];
        change(config);
    })
    .await
}

/// How the one webhook of `school` fares.
async fn state(server: &Server) -> WebhookState {
    server.latchkey.store().webhooks("school").await.unwrap().remove(0)
}

/// The state once it is as wanted: attempts are written down a moment after they end.
async fn once(server: &Server, wanted: impl Fn(&WebhookState) -> bool) -> WebhookState {
    let reached = async {
        loop {
            let states = server.latchkey.store().webhooks("school").await.unwrap();
            if let Some(state) = states.into_iter().find(|state| wanted(state)) {
                return state;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::server::PATIENCE, reached).await.unwrap()
}

/// The failure of the attempt that was made at the clock's present time.
async fn failure(server: &Server) -> String {
    let now = server.latchkey.now();
    let state = once(server, |state| state.failed.as_ref().is_some_and(|(at, _)| *at == now)).await;
    state.failed.unwrap().1
}

/// The next message; whenever nothing more is due, the clock goes on.
async fn next_in_time(server: &Server, receiver: &Receiver) -> Received {
    let idle = |state: &WebhookState| state.next_at.is_some_and(|at| at > server.latchkey.now());
    loop {
        tokio::select! {
            message = receiver.next() => return message,
            _ = once(server, idle) => move_to_next(server).await,
        }
    }
}

/// Moves the clock to when the next attempt is due.
async fn move_to_next(server: &Server) {
    let next = state(server).await.next_at.unwrap();
    server.after(next - server.latchkey.now());
    server.latchkey.look_for_events();
}
