//! Which user a script runs as.
//!
//! The script's own `user`, else `script_user`, else keepalived's traditional user if this system has it, else
//! the daemon's own. Users that were found are kept: a directory server that doesn't answer must not turn every
//! check into a failed one. Users that weren't found are looked for again each time.

use std::collections::HashMap;

use config::UserSpec;
use sys::process::Credentials;
use sys::user::{self, User};

use crate::Refusal;

/// The user that keepalived.conf(5) promises for scripts, if it exists.
pub const TRADITIONAL_USER: &str = "keepalived_script";

/// A user as a script needs it.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) home: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// `None`: the process is that user already, and keeps its groups.
    pub(crate) credentials: Option<Credentials>,
}

#[derive(Debug)]
pub(crate) struct Accounts {
    script_user: Option<UserSpec>,
    found: HashMap<(String, Option<String>), Account>,
    fallback: Option<Account>,
}

impl Accounts {
    pub(crate) fn new(script_user: Option<UserSpec>) -> Self {
        Self { script_user, found: HashMap::new(), fallback: None }
    }

    /// Whether the configuration names somebody for a script whose `user` is `spec`.
    pub(crate) const fn is_chosen(&self, spec: Option<&UserSpec>) -> bool {
        spec.is_some() || self.script_user.is_some()
    }

    /// The account for a script whose `user` is `spec`.
    pub(crate) fn resolve(&mut self, spec: Option<&UserSpec>) -> Result<Account, Refusal> {
        match spec.or(self.script_user.as_ref()) {
            None => self.fallback(),
            Some(spec) => {
                let key = (spec.user.clone(), spec.group.clone());
                if let Some(account) = self.found.get(&key) {
                    return Ok(account.clone());
                }
                let account = named(spec)?;
                self.found.insert(key, account.clone());
                Ok(account)
            }
        }
    }

    /// Nobody was named. Wishing for the traditional user is ours, so not getting it is only told, and once.
    fn fallback(&mut self) -> Result<Account, Refusal> {
        if let Some(account) = &self.fallback {
            return Ok(account.clone());
        }
        let traditional = UserSpec { user: TRADITIONAL_USER.to_owned(), group: None };
        let account = match named(&traditional) {
            Ok(account) => account,
            Err(Refusal::NoSuchUser(_)) => own()?,
            Err(refusal @ Refusal::CannotBecome(_)) => {
                let account = own()?;
                log::warn!("{refusal}; scripts without a user of their own run as {}", account.name);
                account
            }
            Err(refusal) => return Err(refusal),
        };
        self.fallback = Some(account.clone());
        Ok(account)
    }
}

fn named(spec: &UserSpec) -> Result<Account, Refusal> {
    let failed = |name: &str| {
        let name = name.to_owned();
        move |error| Refusal::NameService(name, error)
    };
    let user = user::lookup(&spec.user).map_err(failed(&spec.user))?;
    let user = user.ok_or_else(|| Refusal::NoSuchUser(spec.user.clone()))?;
    let gid = match &spec.group {
        None => user.gid,
        Some(group) => {
            user::group(group).map_err(failed(group))?.ok_or_else(|| Refusal::NoSuchGroup(group.clone()))?
        }
    };
    if user.uid == own_uid() && gid == own_gid() {
        return Ok(as_is(user));
    }
    if !user::can_become(user.uid).map_err(failed(&spec.user))? {
        return Err(Refusal::CannotBecome(spec.user.clone()));
    }
    let credentials = Credentials { uid: user.uid, gid, groups: user.groups };
    Ok(Account { name: user.name, home: user.home, uid: user.uid, gid, credentials: Some(credentials) })
}

/// Whoever the daemon is, with a name or without.
fn own() -> Result<Account, Refusal> {
    let uid = own_uid();
    let user = user::by_id(uid).map_err(|error| Refusal::NameService(uid.to_string(), error))?;
    Ok(user.map_or_else(
        || Account { name: uid.to_string(), home: "/".to_owned(), uid, gid: own_gid(), credentials: None },
        as_is,
    ))
}

fn as_is(user: User) -> Account {
    Account { name: user.name, home: user.home, uid: user.uid, gid: own_gid(), credentials: None }
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn own_gid() -> u32 {
    rustix::process::getegid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(user: &str, group: Option<&str>) -> UserSpec {
        UserSpec { user: user.to_owned(), group: group.map(str::to_owned) }
    }

    #[test]
    fn who_does_not_exist_is_named() {
        let mut accounts = Accounts::new(None);
        let refusal = accounts.resolve(Some(&spec("no-such-user-here", None))).unwrap_err();
        assert_eq!(refusal.to_string(), "no such user: no-such-user-here");
        let refusal = accounts.resolve(Some(&spec("root", Some("no-such-group-here")))).unwrap_err();
        assert_eq!(refusal.to_string(), "no such group: no-such-group-here");
    }

    #[test]
    fn the_script_user_stands_in_where_none_is_named() {
        let mut accounts = Accounts::new(Some(spec("no-such-user-here", None)));
        assert!(matches!(accounts.resolve(None), Err(Refusal::NoSuchUser(_))));
    }

    #[test]
    fn our_own_user_needs_no_change() {
        let own = own().unwrap();
        assert!(own.credentials.is_none());
        assert_eq!(own.uid, own_uid());
    }

    #[test]
    fn a_named_user_that_cannot_be_taken_is_refused_and_not_replaced() {
        // Capabilities belong to a thread: this one is given up afterwards.
        let refusal = std::thread::spawn(|| {
            sys::privilege::limit(&[]).unwrap();
            Accounts::new(None).resolve(Some(&spec("daemon", None))).unwrap_err()
        })
        .join()
        .unwrap();
        assert!(matches!(refusal, Refusal::CannotBecome(_) | Refusal::NoSuchUser(_)), "{refusal}");
    }
}
