//! Pages of what crate `config` finds in one file by itself: mistakes of meaning that are the same whatever the other nodes say.
//!
//! The rest of what it says is about the language, and explained where it is said.

use config::Severity;

use crate::page::{Page, When};

pub(crate) const NOPREEMPT_IGNORED: Page = Page {
    id: "nopreempt-ignored",
    severity: Severity::Warning,
    when: When::Always,
    summary: "`nopreempt` beside `state MASTER` or priority 255",
    why: "`state MASTER` turns `nopreempt` off, in keepalived as here: when the node returns, it takes the address back, and every \
          connection is cut a second time. An owner (priority 255) preempts always.",
    example: &[("a.conf", "vrrp_instance web {\n  state MASTER\n  priority 100\n  nopreempt\n  ...\n}")],
    cure: "Write `state BACKUP` on all nodes. The priority decides who is master, and not the state.",
};

pub(crate) const NOPREEMPT_WEIGHT: Page = Page {
    id: "nopreempt-weight",
    severity: Severity::Warning,
    when: When::Always,
    summary: "Weights beside `nopreempt`",
    why: "A weight lowers the priority of a master, and `nopreempt` keeps the others from taking over from a lower master. Together they \
          mean that a failed check never moves the address.",
    example: &[(
        "a.conf",
        "vrrp_script chk {\n  script \"/usr/bin/killall -0 nginx\"\n  weight -20\n}\nvrrp_instance web {\n  nopreempt\n  track_script {\n    chk\n  }\n  ...\n}",
    )],
    cure: "Remove the weights on all nodes: a failed check then means FAULT, which is always taken over from. Or remove `nopreempt`.",
};

pub(crate) const OWNER_WEIGHT: Page = Page {
    id: "owner-weight",
    severity: Severity::Warning,
    when: When::Always,
    summary: "Weights beside priority 255",
    why: "The priority of an owner of the addresses never changes, so no weight counts: a failed check is without consequence.",
    example: &[(
        "a.conf",
        "vrrp_script chk {\n  script \"/usr/bin/killall -0 nginx\"\n  weight -20\n}\nvrrp_instance web {\n  priority 255\n  track_script {\n    chk\n  }\n  ...\n}",
    )],
    cure: "Lower the priority below 255, or give no weight: then a failure means FAULT, also for an owner.",
};

pub(crate) const LONG_PASSWORD: Page = Page {
    id: "long-password",
    severity: Severity::Warning,
    when: When::Always,
    summary: "A password of more than eight bytes",
    why: "Only the first eight bytes of `auth_pass` are sent, by every implementation. Nodes that cut it differently, or a password that differs \
          in the ninth byte only, are not told apart; and what is sent is readable for everybody on the network.",
    example: &[(
        "a.conf",
        "vrrp_instance web {\n  authentication {\n    auth_type PASS\n    auth_pass correct-horse\n  }\n  ...\n}",
    )],
    cure: "Shorten it to eight bytes on all nodes, and don't take it for a protection against anybody but mistakes.",
};
