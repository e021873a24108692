//! Who there is: users with hashed passwords and the site's secret, in one file that only its owner reads.

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_server::clock::Entropy;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Name of the file in the data folder.
pub const FILE: &str = "school.json";
/// Everybody's password. No secret: the login page shows it, since this is a demo.
pub const PASSWORD: &str = "latchkey";

/// Why the accounts cannot be had.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not what it should be. Says nothing of its content.
    #[error("{0}: not a file of accounts")]
    Content(PathBuf),
    /// A password cannot be hashed.
    #[error("hashing a password: {0}")]
    Hash(String),
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Does activities and sees their own standing.
    Student,
    /// Sees everybody's.
    Teacher,
}

impl Role {
    /// As people say it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Student => "student",
            Self::Teacher => "teacher",
        }
    }
}

/// Somebody who can log in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The primary key: never changes, unlike names.
    pub id: String,
    /// What they type to log in.
    pub username: String,
    /// What others see.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// argon2id, as a PHC string.
    password: String,
}

impl Account {
    /// Whether that is their password. Takes some hundredths of a second and 19 MiB on purpose.
    pub fn verifies(&self, password: &str) -> bool {
        PasswordHash::new(&self.password)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct School {
    /// By which the site signs launch tokens, base64url.
    host_secret: String,
    accounts: Vec<Account>,
}

/// Everybody who can log in.
pub struct Accounts {
    school: School,
    /// Verified where there is no such user, so that a wrong name takes as long as a wrong password.
    nobody: Account,
}

/// Those who are there from the first start on.
const SEED: [(&str, &str, &str, Role); 5] = [
    ("s1", "ada", "Ada Lindqvist", Role::Student),
    ("s2", "ben", "Ben Okafor", Role::Student),
    ("s3", "chidi", "Chidi Marek", Role::Student),
    ("s4", "dalia", "Dalia Haddad", Role::Student),
    ("t1", "teacher", "Ms Iversen", Role::Teacher),
];

impl Accounts {
    /// Reads the file in `folder`, or makes both.
    ///
    /// # Errors
    /// When it cannot be read, written or understood. What is there is never overwritten.
    pub fn open(folder: &Path, entropy: &Entropy) -> Result<Self, AccountsError> {
        let path = folder.join(FILE);
        let failed = |error| AccountsError::File { path: path.clone(), error };
        let school = match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|_| AccountsError::Content(path.clone()))?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let school = fresh(entropy)?;
                DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
                write(folder, &path, &school).map_err(failed)?;
                school
            }
            Err(error) => return Err(failed(error)),
        };
        let nobody = account(("", "", "", Role::Student), entropy)?;
        Ok(Self { school, nobody })
    }

    /// Everybody.
    pub fn all(&self) -> &[Account] {
        &self.school.accounts
    }

    /// Those who do activities.
    pub fn students(&self) -> impl Iterator<Item = &Account> {
        self.all().iter().filter(|account| account.role == Role::Student)
    }

    /// By primary key.
    pub fn by_id(&self, id: &str) -> Option<&Account> {
        self.all().iter().find(|account| account.id == id)
    }

    /// By what they type, and whether there is such a user: without one, an account to verify in vain.
    pub fn by_username(&self, username: &str) -> (&Account, bool) {
        match self.all().iter().find(|account| account.username == username) {
            Some(account) => (account, true),
            None => (&self.nobody, false),
        }
    }

    /// By which the site signs launch tokens, base64url.
    pub(crate) fn host_secret(&self) -> &str {
        &self.school.host_secret
    }
}

fn fresh(entropy: &Entropy) -> Result<School, AccountsError> {
    let accounts = SEED.iter().map(|seed| account(*seed, entropy)).collect::<Result<_, _>>()?;
    Ok(School { host_secret: URL_SAFE_NO_PAD.encode(entropy.bytes::<32>()), accounts })
}

fn account(
    (id, username, name, role): (&str, &str, &str, Role),
    entropy: &Entropy,
) -> Result<Account, AccountsError> {
    let salt = entropy.bytes::<16>();
    let password = Argon2::default()
        .hash_password_with_salt(PASSWORD.as_bytes(), &salt)
        .map_err(|error| AccountsError::Hash(error.to_string()))?
        .to_string();
    let [id, username, name] = [id, username, name].map(str::to_owned);
    Ok(Account { id, username, name, role, password })
}

/// Whole or not at all: a crash must not leave half a file, nor grades whose secret is gone.
fn write(folder: &Path, path: &Path, school: &School) -> io::Result<()> {
    let draft = path.with_extension("draft");
    // Of an earlier start that was cut off.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(&serde_json::to_vec_pretty(school)?)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_same_people_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let first = Accounts::open(folder.path(), &Entropy::System).unwrap();
        let again = Accounts::open(folder.path(), &Entropy::System).unwrap();
        assert_eq!(first.host_secret(), again.host_secret());
        let (ada, known) = again.by_username("ada");
        assert!(known && ada.verifies(PASSWORD) && !ada.verifies("Latchkey"));
        assert!(!again.by_username("").1 && !again.by_username("eve").1);
    }

    #[test]
    fn passwords_and_secret_are_for_the_owner() {
        let folder = tempfile::tempdir().unwrap();
        Accounts::open(folder.path(), &Entropy::System).unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&path).unwrap().contains(&format!("\"{PASSWORD}\"")));
    }

    #[test]
    fn a_damaged_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, "{}").unwrap();
        assert!(Accounts::open(folder.path(), &Entropy::System).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
    }
}
