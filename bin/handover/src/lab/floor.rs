//! How short a gap can be at best, from the configuration: the protocol's floor, with its formula in words.
//!
//! Read RFC 9568 6.1 (Skew_Time, Active_Down_Interval) and RFC 3768 6.1, which has a skew of its own.

use std::fmt;
use std::time::Duration;

use config::{Check, Instance};
use model::ProtocolVersion;

/// Adverts that a backup misses before it takes over.
const MISSED: u32 = 3;

/// From the luckiest to the unluckiest moment, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Floor {
    pub(super) least: Duration,
    pub(super) most: Duration,
    words: Vec<String>,
}

impl Floor {
    /// Nothing has to be lost at all.
    pub(super) fn none(why: &str) -> Self {
        Self { least: Duration::ZERO, most: Duration::ZERO, words: vec![why.to_owned()] }
    }

    /// The heir hears nothing any more. It has last heard something up to one interval ago.
    pub(super) fn silence(heir: &Instance, priority: u8) -> Self {
        let (skew, words) = skew(heir, priority);
        let interval = heir.advert_interval;
        Self {
            least: interval * (MISSED - 1) + skew,
            most: interval * MISSED + skew,
            words: vec![format!(
                "silence: {MISSED} x advert_int {} + skew {words}, less up to one advert_int since the last advert",
                seconds(interval)
            )],
        }
    }

    /// The master says goodbye with priority 0, and the heir takes over after its skew.
    pub(super) fn goodbye(heir: &Instance, priority: u8) -> Self {
        let (skew, words) = skew(heir, priority);
        Self { least: skew, most: skew, words: vec![format!("goodbye (priority 0): skew {words}")] }
    }

    /// First a check has to notice: how late depends on when in its interval the service dies.
    pub(super) fn after_check(self, check: &Check) -> Self {
        let (fall, interval) = (check.fall.max(1), check.interval);
        let mut words = vec![format!(
            "detection: fall - 1 = {} to fall = {fall} times interval {}, as the death falls between two checks",
            fall - 1,
            seconds(interval)
        )];
        words.extend(self.words);
        Self { least: self.least + interval * (fall - 1), most: self.most + interval * fall, words }
    }

    /// The formula, a line per part.
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.least == self.most {
            f.write_str(&seconds(self.least))
        } else {
            write!(f, "{} to {}", seconds(self.least), seconds(self.most))
        }
    }
}

/// What sets the heirs apart: the higher the priority, the shorter.
fn skew(heir: &Instance, priority: u8) -> (Duration, String) {
    let rest = 256 - u32::from(priority);
    let (unit, words) = match heir.version {
        ProtocolVersion::V2 => (Duration::from_secs(1), "1 s"),
        ProtocolVersion::V3 => (heir.advert_interval, "advert_int"),
    };
    let skew = unit * rest / 256;
    (skew, format!("(256 - {priority}) / 256 x {words} = {}", seconds(skew)))
}

/// With milliseconds where there are any.
pub(super) fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{:.3} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "vrrp_script c {\n script \"killall -0 haproxy\"\n interval 2\n fall 2\n weight 20\n}\n\
        vrrp_instance i {\n version VERSION\n interface eth0\n virtual_router_id 5\n priority 90\n advert_int 1\n \
        virtual_ipaddress {\n 10.0.0.9\n }\n track_script {\n c\n }\n}\n";

    fn config(version: &str) -> config::Config {
        config::parse("test.conf", TEXT.replace("VERSION", version).as_bytes()).config.unwrap()
    }

    #[test]
    fn the_pair_of_the_example() {
        let config = config("2");
        let floor = Floor::silence(&config.instances[0], 110).after_check(&config.checks[0]);
        // 146/256 s is 0.570; one or two intervals of 2 s before, two or three adverts.
        assert_eq!(floor.to_string(), "4.570 s to 7.570 s");
        assert_eq!(floor.words().len(), 2);
    }

    #[test]
    fn the_skew_of_version_3_is_a_part_of_the_interval() {
        let mut config = config("3");
        config.instances[0].advert_interval = Duration::from_millis(100);
        let floor = Floor::goodbye(&config.instances[0], 128);
        assert_eq!(floor.least, Duration::from_millis(50));
        assert_eq!(Floor::silence(&config.instances[0], 128).most, Duration::from_millis(350));
    }
}
