//! The operator's settings, read once, and what they allow.

use super::{Networks, Proxies};
use crate::config::{Config, ConfigError, HostConfig, Protocol};
use crate::functions::{self, FUNCTIONS};
use crate::secrets::LOCAL_HOST;
use crate::store::KeyLimits;
use crate::version::{VERSIONS, Version};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::launch::{MAX_ID_LEN, Role};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// Seconds after which clients of a server that is switched off ask again.
pub const DISABLED_FOR: u32 = 30;

/// Why the operator does not allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What the client is told.
    pub code: ErrorCode,
    /// The setting that says so, for the log.
    pub rule: Cow<'static, str>,
}

fn deny<T>(code: ErrorCode, rule: impl Into<Cow<'static, str>>) -> Result<T, Denied> {
    Err(Denied { code, rule: rule.into() })
}

/// What the operator allows, in a form that a decision takes some nanoseconds by.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Where requests really come from.
    pub proxies: Proxies,
    enabled: bool,
    protocols: Vec<Protocol>,
    networks: Networks,
    require_https: bool,
    functions: Vec<&'static str>,
    /// By [`Role`]; `None` where roles restrict nothing.
    capabilities: Option<HashMap<Role, Vec<&'static str>>>,
    hosts: HashMap<String, HostRules>,
}

/// What the operator allows one host.
#[derive(Clone, Debug, Default)]
pub struct HostRules {
    /// Its place in the settings, to name its rules.
    at: usize,
    disabled: bool,
    users: Option<HashSet<String>>,
    networks: Networks,
    user_networks: HashMap<String, Networks>,
    per_host: Option<u32>,
    per_user: Option<u32>,
    /// The version of the wire that its callers speak unless they say another.
    pub(crate) version: Option<Version>,
}

impl Rules {
    /// Reads the settings.
    ///
    /// # Errors
    /// Names the setting that is at fault and what to write instead.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let capabilities = config
            .capabilities
            .iter()
            .map(|(role, functions)| {
                let setting = format!("capabilities.{role}");
                Ok((self::role(role)?, named(&setting, functions)?))
            })
            .collect::<Result<HashMap<_, _>, ConfigError>>()?;
        let hosts = config.hosts.iter().enumerate();
        let mut hosts = hosts
            .map(|(at, host)| Ok((host.id.clone(), HostRules::new(at, host)?)))
            .collect::<Result<HashMap<_, _>, ConfigError>>()?;
        if hosts.is_empty() {
            hosts.insert(LOCAL_HOST.to_owned(), HostRules::default());
        }
        Ok(Self {
            proxies: Proxies {
                trusted: networks("trusted_proxies", &config.trusted_proxies)?,
                header: config.proxy_header,
            },
            enabled: config.enabled,
            protocols: config.protocols.clone(),
            networks: networks("networks", &config.networks)?,
            require_https: config.require_https,
            functions: named("functions", &config.functions)?,
            capabilities: (!capabilities.is_empty()).then_some(capabilities),
            hosts,
        })
    }

    /// Whether a request may come in at all, before it is looked at.
    ///
    /// # Errors
    /// Which rule forbids it.
    pub fn enter(
        &self,
        protocol: Option<Protocol>,
        address: Option<IpAddr>,
        https: bool,
    ) -> Result<(), Denied> {
        if !self.enabled {
            return deny(ErrorCode::Disabled, "enabled");
        }
        if protocol.is_some_and(|protocol| !self.protocols.contains(&protocol)) {
            return deny(ErrorCode::ProtocolOff, "protocols");
        }
        if !self.networks.allow(address) {
            return deny(ErrorCode::NotAllowed, "networks");
        }
        let exempt = https || address.is_some_and(|address| address.is_loopback());
        if self.require_https && !exempt {
            return deny(ErrorCode::HttpsRequired, "require_https");
        }
        Ok(())
    }

    /// What is allowed to a host.
    ///
    /// # Errors
    /// It is switched off, or gone from the settings while its keys still live.
    pub fn host(&self, id: &str) -> Result<&HostRules, Denied> {
        match self.hosts.get(id) {
            Some(host) if host.disabled => deny(ErrorCode::NotAllowed, host.rule("enabled")),
            Some(host) => Ok(host),
            None => deny(ErrorCode::NotAllowed, "hosts"),
        }
    }

    /// Whether a function is switched on.
    ///
    /// # Errors
    /// It is not.
    pub fn function(&self, name: &str) -> Result<(), Denied> {
        let on = self.functions.contains(&name);
        if on { Ok(()) } else { deny(ErrorCode::FunctionOff, "functions") }
    }

    /// Whether one of the roles of a launch may call a function.
    ///
    /// # Errors
    /// None may.
    pub fn capable(&self, roles: &[Role], function: &str) -> Result<(), Denied> {
        let Some(capabilities) = &self.capabilities else { return Ok(()) };
        let roles = if roles.is_empty() { &[Role::Student] } else { roles };
        let may = |role| capabilities.get(role).is_some_and(|may| may.contains(&function));
        if roles.iter().any(may) { Ok(()) } else { deny(ErrorCode::NotAllowed, "capabilities") }
    }
}

impl HostRules {
    fn new(at: usize, host: &HostConfig) -> Result<Self, ConfigError> {
        let setting = |name: &str| format!("hosts[{at}].{name}");
        let users: Option<HashSet<String>> =
            host.users.as_ref().map(|users| users.iter().cloned().collect());
        for user in host.users.iter().flatten().chain(host.user_networks.keys()) {
            if !(1..=MAX_ID_LEN).contains(&user.len()) {
                let problem = format!("a user is 1 to {MAX_ID_LEN} bytes, the host's own key");
                return Err(ConfigError::value(setting("users"), problem));
            }
        }
        if let (Some(users), Some(listed)) = (&users, &host.users)
            && users.len() < listed.len()
        {
            return Err(ConfigError::value(setting("users"), "a user stands here twice"));
        }
        let mut user_networks = HashMap::new();
        for (user, texts) in &host.user_networks {
            let name = setting(&format!("user_networks.{user}"));
            if users.as_ref().is_some_and(|users| !users.contains(user)) {
                let problem = "add the user to users too: nobody else may use keys of this host";
                return Err(ConfigError::value(name, problem));
            }
            user_networks.insert(user.clone(), networks(&name, texts)?);
        }
        Ok(Self {
            at,
            disabled: !host.enabled,
            users,
            networks: networks(&setting("networks"), &host.networks)?,
            user_networks,
            per_host: host.per_host,
            per_user: host.per_user,
            version: host
                .version
                .as_deref()
                .map(|day| version(setting("version"), day))
                .transpose()?,
        })
    }

    fn rule(&self, name: &str) -> String {
        format!("hosts[{}].{name}", self.at)
    }

    /// Whether anything of this host may come from that address.
    ///
    /// # Errors
    /// It may not.
    pub fn place(&self, address: Option<IpAddr>) -> Result<(), Denied> {
        let may = self.networks.allow(address);
        if may { Ok(()) } else { deny(ErrorCode::NotAllowed, self.rule("networks")) }
    }

    /// Whether it matters who the user is.
    pub fn asks_for_user(&self) -> bool {
        self.users.is_some() || !self.user_networks.is_empty()
    }

    /// Whether that user may use a key, and from that address.
    ///
    /// # Errors
    /// Which rule forbids it. The user is not named: logs do not tell of people.
    pub fn user(&self, user: &str, address: Option<IpAddr>) -> Result<(), Denied> {
        if self.users.as_ref().is_some_and(|users| !users.contains(user)) {
            return deny(ErrorCode::NotAllowed, self.rule("users"));
        }
        let from = self.user_networks.get(user);
        if from.is_some_and(|networks| !networks.allow(address)) {
            return deny(ErrorCode::NotAllowed, self.rule("user_networks"));
        }
        Ok(())
    }

    /// How many keys there may be: the host's own figures, and `common` ones for the rest.
    pub fn key_limits(&self, common: KeyLimits) -> KeyLimits {
        KeyLimits {
            per_host: self.per_host.unwrap_or(common.per_host),
            per_user: self.per_user.unwrap_or(common.per_user),
            ..common
        }
    }
}

fn networks(setting: &str, texts: &[String]) -> Result<Networks, ConfigError> {
    Networks::read(texts)
        .map_err(|(at, problem)| ConfigError::value(format!("{setting}[{at}]"), problem))
}

/// Names of functions as the program knows them.
fn named(setting: &str, names: &[String]) -> Result<Vec<&'static str>, ConfigError> {
    let find = |(at, name): (usize, &String)| {
        functions::find(name).map(|function| function.name()).ok_or_else(|| {
            let known: Vec<_> = FUNCTIONS.iter().map(|function| function.name()).collect();
            let problem = format!("no function has this name: there are {}", known.join(", "));
            ConfigError::value(format!("{setting}[{at}]"), problem)
        })
    };
    names.iter().enumerate().map(find).collect()
}

fn version(setting: String, day: &str) -> Result<Version, ConfigError> {
    Version::of(day).ok_or_else(|| {
        let spoken: Vec<_> = VERSIONS.iter().map(|version| version.as_str()).collect();
        let problem = format!("this version is not spoken here: there are {}", spoken.join(", "));
        ConfigError::value(setting, problem)
    })
}

fn role(name: &str) -> Result<Role, ConfigError> {
    Role::ALL.into_iter().find(|role| role.as_str() == name).ok_or_else(|| {
        let problem =
            format!("no role has this name: there are {}", Role::ALL.map(Role::as_str).join(", "));
        ConfigError::value(format!("capabilities.{name}"), problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(change: impl FnOnce(&mut Config)) -> Result<Rules, ConfigError> {
        let mut config = Config::load(None).unwrap();
        change(&mut config);
        Rules::new(&config)
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn by_default_everything_narrow_may() {
        let rules = rules(|_| ()).unwrap();
        assert_eq!(rules.enter(Some(Protocol::Json), None, false), Ok(()));
        for name in ["log", "grade", "recent"] {
            assert_eq!(rules.function(name), Ok(()));
            assert_eq!(rules.capable(&[], name), Ok(()));
        }
        assert_eq!(rules.function("later").unwrap_err().code, ErrorCode::FunctionOff);
        assert!(rules.host("local").is_ok() && rules.host("other").is_err());
    }

    #[test]
    fn https_is_asked_of_all_but_the_machine_itself() {
        let rules = rules(|config| config.require_https = true).unwrap();
        for (address, https, may) in [
            (address("192.0.2.1"), false, false),
            (address("192.0.2.1"), true, true),
            (address("127.0.0.1"), false, true),
            (address("::1"), false, true),
            (None, false, false),
            (None, true, true),
        ] {
            assert_eq!(rules.enter(None, address, https).is_ok(), may, "{address:?} {https}");
        }
    }

    #[test]
    fn roles_add_up_and_none_is_a_student() {
        let rules = rules(|config| {
            config.capabilities.insert("student".into(), texts(&["log", "grade"]));
            config.capabilities.insert("teacher".into(), texts(&["recent"]));
        })
        .unwrap();
        for (roles, may) in [
            (&[][..], [true, false]),
            (&[Role::Student], [true, false]),
            (&[Role::Teacher], [false, true]),
            (&[Role::Teacher, Role::Student], [true, true]),
            (&[Role::Guest], [false, false]),
        ] {
            let can = ["log", "recent"].map(|name| rules.capable(roles, name).is_ok());
            assert_eq!(can, may, "{roles:?}");
        }
    }

    #[test]
    fn users_and_their_networks() {
        let mut host = HostConfig::new("school", "x");
        host.users = Some(texts(&["ada", "bob"]));
        host.networks = texts(&["10.0.0.0/8"]);
        host.user_networks.insert("bob".into(), texts(&["10.1."]));
        let rules = rules(|config| config.hosts.push(host)).unwrap();
        let host = rules.host("school").unwrap();
        assert!(host.place(address("10.2.0.1")).is_ok());
        assert_eq!(host.place(None).unwrap_err().rule, "hosts[0].networks");
        assert!(host.asks_for_user() && host.user("ada", address("10.2.0.1")).is_ok());
        let refused = host.user("bob", address("10.2.0.1")).unwrap_err();
        assert_eq!(refused.rule, "hosts[0].user_networks");
        assert_eq!(host.user("eve", address("10.2.0.1")).unwrap_err().rule, "hosts[0].users");
    }

    #[test]
    fn each_bad_rule_is_named_with_its_remedy() {
        let host = |change: fn(&mut HostConfig)| {
            let mut host = HostConfig::new("school", "x");
            change(&mut host);
            rules(|config| config.hosts = vec![HostConfig::new("a", "x"), host])
        };
        let bob = |host: &mut HostConfig| {
            host.users = Some(vec!["ada".into()]);
            host.user_networks.insert("bob".into(), Vec::new());
        };
        for (refused, name, remedy) in [
            (rules(|c| c.networks = texts(&["10.", "10.0.0.1/8"])), "networks[1]", "10.0.0.0/8"),
            (rules(|c| c.trusted_proxies = texts(&["proxy"])), "trusted_proxies[0]", "192.168."),
            (rules(|c| c.functions = texts(&["log", "grad"])), "functions[1]", "grade"),
            (
                rules(|c| drop(c.capabilities.insert("pupil".into(), Vec::new()))),
                "capabilities.pupil",
                "student",
            ),
            (
                rules(|c| drop(c.capabilities.insert("student".into(), texts(&["logs"])))),
                "capabilities.student[0]",
                "recent",
            ),
            (host(|host| host.networks = texts(&["x"])), "hosts[1].networks[0]", "10.0.0.0/8"),
            (host(|host| host.users = Some(texts(&[""]))), "hosts[1].users", "1 to 255"),
            (host(|host| host.users = Some(texts(&["a", "a"]))), "hosts[1].users", "twice"),
            (host(|host| host.version = Some("1".into())), "hosts[1].version", "2026-11-22"),
            (host(bob), "hosts[1].user_networks.bob", "users"),
        ] {
            let said = refused.unwrap_err().to_string();
            assert!(said.starts_with(&format!("{name}:")) && said.contains(remedy), "{said}");
        }
    }
}
