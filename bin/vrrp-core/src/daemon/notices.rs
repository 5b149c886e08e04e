//! What happens to an instance within a state, for subscribers: a lower master beside us, another priority.
//!
//! It must never tell more of what strangers send than the core lets through (`vrrp::LOWER_MASTER_PAUSE`). The prose is
//! docs/events.md.

use ipc::events::Message;
use model::{Cause, Evidence, Priority};
use vrrp::{InstanceId, LowerMaster};

use super::{Daemon, moment};

impl Daemon {
    pub(super) fn on_lower_master(&mut self, lower: &LowerMaster) {
        let LowerMaster { instance, source, priority, own } = *lower;
        let text = format!("{source} advertises priority {priority}, and we are MASTER with {own}");
        let cause = Cause { code: "lower-master".into(), text };
        let evidence =
            Evidence { router: Some(source), router_priority: Some(priority), ..Evidence::default() };
        if let Some(notice) = self.feed.record_notice((instance, own), (cause, evidence), &moment()) {
            self.publish_event(notice.sequence, &Message::LowerMaster(notice));
        }
    }

    pub(super) fn on_priority(&mut self, instance: InstanceId, priority: Priority) {
        let cause = Cause { code: "priority".into(), text: format!("the priority is {priority} now") };
        let what = (cause, Evidence::default());
        if let Some(notice) = self.feed.record_notice((instance, priority), what, &moment()) {
            log::info!("({}) {}", notice.instance, notice.cause);
            self.publish_event(notice.sequence, &Message::Priority(notice));
        }
    }
}
