//! What an operator may order: take an instance out of the elections, and bring it back (pain A7).
//!
//! An order is refused with its reason rather than carried out by half: first it is remembered, then it is obeyed.

use ipc::events::Message;
use model::{InstanceName, Instant, State};
use vrrp::{Core, Input, InstanceId};

use crate::drains::Drains;
use crate::setup::Setup;

/// What the orders work on.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    /// The elections.
    pub(crate) core: &'a mut Core,
    /// Names and numbers.
    pub(crate) setup: &'a Setup,
    /// What is remembered.
    pub(crate) drains: &'a mut Drains,
    /// The moment of the order.
    pub(crate) now: Instant,
}

impl Desk<'_> {
    /// Everybody who was drained before this vrrp-core started still is.
    pub(crate) fn recall(&mut self) {
        for (name, text) in self.drains.iter() {
            match self.setup.instance(name) {
                Some(id) => self.core.handle(self.now, Input::Drain { instance: Some(id), text }),
                None => log::warn!("{name} is remembered as drained, and there is no such instance any more"),
            }
        }
    }

    /// Takes one instance, or all of them, out of the elections.
    pub(crate) fn drain(
        &mut self,
        instance: Option<InstanceName>,
        force: bool,
        by: &str,
        at: &str,
    ) -> Message {
        let found = self.find(instance).and_then(|found| {
            let alone = found.iter().find(|(_, id)| !force && self.is_alone(*id));
            match alone {
                Some((name, _)) => Err(format!(
                    "{name} is MASTER, and no other router has been heard since vrrp-core started, which is usual: backups are silent. \
                     Look at 'handover status' on the other node; when it says BACKUP there, --force drains this one"
                )),
                None => Ok(found),
            }
        });
        let text = format!("by {by} since {at}");
        self.order(found, Some(&text), "drained")
    }

    /// Brings one instance, or all of them, back.
    pub(crate) fn undrain(&mut self, instance: Option<InstanceName>) -> Message {
        let found = self.find(instance);
        self.order(found, None, "back in the elections")
    }

    fn order(
        &mut self,
        found: Result<Vec<(InstanceName, InstanceId)>, String>,
        text: Option<&str>,
        done: &str,
    ) -> Message {
        let found = match found {
            Ok(found) => found,
            Err(error) => return Message::Error { error },
        };
        let names: Vec<InstanceName> = found.iter().map(|(name, _)| name.clone()).collect();
        if let Err(error) = self.drains.set(&names, text) {
            let path = self.drains.path().display();
            return Message::Error {
                error: format!("nothing has changed: it can't be remembered in {path}: {error}"),
            };
        }
        for (_, id) in found {
            let instance = Some(id);
            match text {
                Some(text) => self.core.handle(self.now, Input::Drain { instance, text }),
                None => self.core.handle(self.now, Input::Undrain { instance }),
            }
        }
        let names: Vec<&str> = names.iter().map(InstanceName::as_str).collect();
        log::info!("{}: {done}{}", names.join(", "), text.map(|it| format!(" {it}")).unwrap_or_default());
        Message::Done { done: format!("{}: {done}", names.join(", ")) }
    }

    fn find(&self, instance: Option<InstanceName>) -> Result<Vec<(InstanceName, InstanceId)>, String> {
        let all =
            self.setup.core.instances.iter().enumerate().map(|(i, it)| (it.name.clone(), InstanceId(i)));
        let Some(wanted) = instance else { return Ok(all.collect()) };
        match self.setup.instance(&wanted) {
            Some(id) => Ok(vec![(wanted, id)]),
            None => {
                let known: Vec<String> = all.map(|(name, _)| name.to_string()).collect();
                Err(format!("there is no instance {wanted}; there are: {}", known.join(", ")))
            }
        }
    }

    /// Master, as far as can be known the only one: a master doesn't hear those who wait.
    fn is_alone(&self, id: InstanceId) -> bool {
        self.core.instance(id).is_some_and(|view| view.state == Some(State::Master) && view.master.is_none())
    }
}
