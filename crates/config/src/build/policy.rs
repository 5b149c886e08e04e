//! `virtual_rules` and `static_rules`: lines as ip-rule(8) has them.
//!
//! What isn't done here would make another rule of it, so every such word is an error.

use model::Family;

use super::line::{Line, Next, Wrong, lines};
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::{Directive, Place};
use crate::lexer::Word;
use crate::model::{Instance, RuleAction, Statics, VirtualRule};
use crate::tree::Block;

/// Where rules without a preference begin, counting down, as keepalived has it.
const FIRST_PREFERENCE: u32 = 16_384;

/// The rules of these blocks.
pub(super) fn rules(blocks: &[&Block<'_>], complaints: &mut Complaints) -> Vec<VirtualRule> {
    lines(Place::RuleEntry, blocks, complaints, rule)
}

fn rule(line: &mut Line<'_, '_>) -> Result<VirtualRule, Wrong> {
    let (mut rule, mut action, mut family) = (empty(line), None, None);
    while let Some(next) = line.next()? {
        match next {
            Next::Option(row, word) => match row.name {
                "inet" => family = Some(Family::V4),
                "inet6" => family = Some(Family::V6),
                "table" | "lookup" => action = Some(RuleAction::Table(line.table(&word)?)),
                "blackhole" => action = Some(RuleAction::Blackhole),
                "unreachable" => action = Some(RuleAction::Unreachable),
                "prohibit" => action = Some(RuleAction::Prohibit),
                _ => option(&mut rule, family, line, row, word)?,
            },
            Next::Plain(word) => return Err(line.stray(&word)),
        }
    }
    let Some(action) = action else {
        let message = "this rule does nothing";
        let help = "write `table` and its number, `blackhole`, `unreachable` or `prohibit`";
        return Err(line.wrong(Diagnostic::error("missing-value", line.span, message).help(help)));
    };
    let of = |end: Option<(std::net::IpAddr, u8)>| end.map(|(address, _)| Family::of(address));
    let families = [of(rule.from), of(rule.to), family];
    let family = families.into_iter().flatten().next().unwrap_or(Family::V4);
    if families.into_iter().flatten().any(|other| other != family) {
        let message = "this rule is of two families";
        let help = "write one line for IPv4 and one for IPv6";
        return Err(line.wrong(Diagnostic::error("mixed-families", line.span, message).help(help)));
    }
    Ok(VirtualRule { family, action, ..rule })
}

fn empty(line: &Line<'_, '_>) -> VirtualRule {
    VirtualRule {
        family: Family::V4,
        priority: 0,
        not: false,
        from: None,
        to: None,
        incoming: None,
        outgoing: None,
        mark: None,
        tos: 0,
        suppress_prefix: None,
        action: RuleAction::Prohibit,
        follows_link: true,
        span: line.span,
    }
}

fn option<'a>(
    rule: &mut VirtualRule,
    family: Option<Family>,
    line: &mut Line<'a, '_>,
    row: &'static Directive,
    word: Word<'a>,
) -> Result<(), Wrong> {
    match row.name {
        "not" => rule.not = true,
        "no_track" => rule.follows_link = false,
        // Everything is what a rule is for without it.
        "from" => rule.from = Some(line.network(&word, family)?).filter(|(_, prefix)| *prefix > 0),
        "to" => rule.to = Some(line.network(&word, family)?).filter(|(_, prefix)| *prefix > 0),
        "iif" | "dev" => rule.incoming = Some(line.link(&word)?),
        "oif" => rule.outgoing = Some(line.link(&word)?),
        "preference" | "priority" | "order" => rule.priority = line.number(row, &word, 1, u32::MAX)?,
        "tos" | "dsfield" => rule.tos = line.byte(row, &word)?,
        "fwmark" => rule.mark = Some(mark(line, row, word)?),
        "suppress_prefixlength" | "sup_pl" => rule.suppress_prefix = Some(line.number(row, &word, 0, 128)?),
        "protocol" => {
            let message = "rules that move carry a protocol number of their own";
            let help = "remove the word; `ip rule show proto 112` lists them";
            line.complaints.push(Diagnostic::warning("no-effect", word.span, message).help(help));
        }
        _ => return Err(line.stray(&word)),
    }
    Ok(())
}

/// `MARK[/MASK]`, in decimal or after `0x` in hexadecimal.
fn mark<'a>(line: &mut Line<'a, '_>, row: &'static Directive, word: Word<'a>) -> Result<(u32, u32), Wrong> {
    let (mark, mask) = word.text.split_once('/').unwrap_or((word.text, "0xffffffff"));
    let part = |text| Word { text, ..word };
    Ok((line.number(row, &part(mark), 0, u32::MAX)?, line.number(row, &part(mask), 1, u32::MAX)?))
}

/// Gives a preference to every rule that has none, from the top of the file down.
pub(super) fn number<'r>(
    statics: &'r mut Statics,
    instances: impl Iterator<Item = &'r mut Instance>,
    complaints: &mut Complaints,
) {
    let mut next = [FIRST_PREFERENCE; 2];
    let rules = statics.rules.iter_mut().chain(instances.flat_map(|instance| &mut instance.rules));
    for rule in rules.filter(|rule| rule.priority == 0) {
        let [four, six] = &mut next;
        let next = if rule.family == Family::V4 { four } else { six };
        rule.priority = *next;
        *next = next.saturating_sub(1);
        let message =
            format!("this rule has no `preference`, and gets {}", quote(&rule.priority.to_string()));
        let help = "write one: the number changes with the rules before it";
        complaints.push(Diagnostic::warning("no-preference", rule.span, message).help(help));
    }
}
