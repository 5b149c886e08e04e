//! A block, read by the table: which of its words are ours, and what they say.
//!
//! Everything that can be said of a word without knowing its neighbours is said here: unknown, misplaced, not
//! supported, given twice, with the wrong value. What is left are fields that [`crate::build`] asks for by name.

use std::collections::HashMap;
use std::time::Duration;

use model::LinkName;

use crate::arguments::{self, Value};
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::{self, Again, Body, Directive, Place, Standing};
use crate::lexer::Word;
use crate::model::{Command, Given, Hook, UserSpec, Weight};
use crate::source::Span;
use crate::suggest::nearest;
use crate::tree::{Block, Statement};

/// What a block of one place says.
pub(crate) struct Section<'a> {
    place: Place,
    fields: HashMap<&'static str, Field<'a>>,
    /// How many statements were read.
    statements: usize,
}

struct Field<'a> {
    /// The keyword.
    span: Span,
    /// Its number among the block's statements.
    order: usize,
    /// `None` after a complaint about it.
    value: Option<Value<'a>>,
    blocks: Vec<&'a Block<'a>>,
}

impl<'a> Section<'a> {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, fields: HashMap::new(), statements: 0 }
    }

    /// Reads one block; several may add up.
    pub(crate) fn read(&mut self, block: &'a Block<'a>, complaints: &mut Complaints) {
        let mut guesses = Vec::new();
        for statement in &block.statements {
            if let Some(row) = admit(self.place, statement, complaints) {
                self.add(row, statement, complaints);
            } else if let Some(row) = guess(self.place, statement, complaints) {
                guesses.push((row, statement));
            }
        }
        for (row, statement) in guesses {
            if row.again == Again::Adds || !self.fields.contains_key(row.name) {
                self.add(row, statement, complaints);
            }
        }
    }

    fn add(&mut self, row: &'static Directive, statement: &'a Statement<'a>, complaints: &mut Complaints) {
        let span = statement.keyword.span;
        let value = arguments::read(row, statement, complaints);
        self.statements += 1;
        let order = self.statements;
        let Some(field) = self.fields.get_mut(row.name) else {
            let blocks = statement.block.iter().collect();
            self.fields.insert(row.name, Field { span, order, value, blocks });
            return;
        };
        let word = row.name;
        let twice = match row.again {
            Again::Adds => {
                field.blocks.extend(&statement.block);
                return;
            }
            Again::FirstWins => format!("`{word}` is given twice; the first one counts"),
            Again::LastWins => format!("`{word}` is given twice; the last one counts"),
        };
        complaints.push(
            Diagnostic::warning("given-twice", span, twice)
                .related(field.span, "given here first")
                .help("remove one of them"),
        );
        if row.again == Again::LastWins {
            (field.span, field.order, field.value) = (span, order, value);
        }
    }

    /// The keyword's place, if it was given, however wrong its value.
    pub(crate) fn given(&self, name: &'static str) -> Option<Span> {
        self.field(name).map(|field| field.span)
    }

    /// Every word that was given, and where.
    pub(crate) fn words(&self) -> Given {
        Given::new(self.fields.iter().map(|(name, field)| (*name, field.span)))
    }

    /// Whether the first of two words stands after the second, as far as both are given.
    pub(crate) fn is_later(&self, one: &'static str, other: &'static str) -> bool {
        self.field(one).map(|field| field.order) > self.field(other).map(|field| field.order)
    }

    /// Reads on as if it weren't there; says where it was.
    pub(crate) fn forget(&mut self, name: &'static str) -> Option<Span> {
        self.fields.remove(name).map(|field| field.span)
    }

    fn field(&self, name: &'static str) -> Option<&Field<'a>> {
        debug_assert!(self.row(name).is_some_and(|row| row.standing.is_read()), "{name}");
        self.fields.get(name)
    }

    fn row(&self, name: &str) -> Option<&'static Directive> {
        directives::find(self.place, name)
    }

    fn value(&self, name: &'static str) -> Option<&Value<'a>> {
        self.field(name)?.value.as_ref()
    }

    /// The default as the table has it.
    fn default(&self, name: &'static str) -> &'static str {
        self.row(name).map_or("", |row| row.default)
    }

    /// The number given, else its default; `None` after a complaint about it, here and below.
    pub(crate) fn number(&self, name: &'static str) -> Option<i64> {
        match (self.value(name), self.field(name)) {
            (Some(Value::Number(number)), _) => Some(*number),
            (_, Some(_)) => None,
            (_, None) => self.default(name).parse().ok(),
        }
    }

    /// Whether it is on, if it says anything of it.
    pub(crate) fn flag(&self, name: &'static str) -> Option<bool> {
        match (self.value(name), self.field(name)) {
            (Some(Value::Bool(on)), _) => Some(*on),
            (_, Some(_)) => None,
            (_, None) => arguments::boolean(self.default(name)),
        }
    }

    /// The time given, else its default.
    pub(crate) fn seconds(&self, name: &'static str) -> Option<Duration> {
        match (self.value(name), self.field(name)) {
            (Some(Value::Seconds(duration)), _) => Some(*duration),
            (_, Some(_)) => None,
            (_, None) => arguments::seconds(self.default(name), 0, u64::MAX),
        }
    }

    /// The choice given, else its default; empty if there is neither.
    pub(crate) fn choice(&self, name: &'static str) -> &'static str {
        match self.value(name) {
            Some(Value::Choice(choice)) => choice,
            Some(_) | None => self.default(name),
        }
    }

    pub(crate) fn weight(&self, name: &'static str) -> Option<Weight> {
        match self.value(name)? {
            Value::Weight(weight) => Some(*weight),
            _ => None,
        }
    }

    /// The address given, else its default.
    pub(crate) fn address(&self, name: &'static str) -> Option<std::net::IpAddr> {
        match (self.value(name), self.field(name)) {
            (Some(Value::Address(address)), _) => Some(*address),
            (_, Some(_)) => None,
            (_, None) => self.default(name).parse().ok(),
        }
    }

    pub(crate) fn link(&self, name: &'static str) -> Option<LinkName> {
        match self.value(name)? {
            Value::Link(link) => Some(link.clone()),
            _ => None,
        }
    }

    pub(crate) fn user(&self, name: &'static str) -> Option<UserSpec> {
        match self.value(name)? {
            Value::User(user) => Some(user.clone()),
            _ => None,
        }
    }

    pub(crate) fn command(&self, name: &'static str) -> Option<Command> {
        match self.value(name)? {
            Value::Command(command) => Some(command.clone()),
            _ => None,
        }
    }

    pub(crate) fn hook(&self, name: &'static str) -> Option<Hook> {
        match self.value(name)? {
            Value::Hook(command, user) => Some(Hook { command: command.clone(), user: user.clone() }),
            _ => None,
        }
    }

    pub(crate) fn text(&self, name: &'static str) -> Option<Word<'a>> {
        match self.value(name)? {
            Value::Text(word) => Some(*word),
            _ => None,
        }
    }

    /// The words given; none after a complaint.
    pub(crate) fn texts(&self, name: &'static str) -> &[Word<'a>] {
        match self.value(name) {
            Some(Value::Words(words)) => words,
            Some(_) | None => &[],
        }
    }

    pub(crate) fn blocks(&self, name: &'static str) -> &[&'a Block<'a>] {
        self.field(name).map_or(&[], |field| &field.blocks)
    }

    /// The words of a list of names; keepalived takes several on a line.
    pub(crate) fn names(&self, name: &'static str, complaints: &mut Complaints) -> Vec<&'a Word<'a>> {
        let mut words = Vec::new();
        for statement in self.blocks(name).iter().flat_map(|list| &list.statements) {
            if let Some(stray) = &statement.block {
                let diagnostic =
                    Diagnostic::error("stray-block", stray.open, "a block can't stand in this list");
                complaints.push(diagnostic.label("begins here").help("is the `}` of the list missing?"));
            }
            words.push(&statement.keyword);
            words.extend(&statement.arguments);
        }
        words
    }
}

/// The row of a statement that is to be read; anything else is complained about.
pub(crate) fn admit(
    place: Place,
    statement: &Statement<'_>,
    complaints: &mut Complaints,
) -> Option<&'static Directive> {
    let word = &statement.keyword;
    let Some(row) =
        directives::find(place, word.text).or_else(|| directives::find(Place::Anywhere, word.text))
    else {
        let mut diagnostic = if complaints.is_full() {
            Diagnostic::error("unknown-word", word.span, String::new())
        } else {
            unknown(place, word)
        };
        if statement.block.is_some() {
            let keepalived = "reads its lines as those of the block around it, which its `}` then ends";
            diagnostic = diagnostic.keepalived(keepalived);
        }
        complaints.push(diagnostic);
        return None;
    };
    complaints.note(row, word.span);
    let (name, help) = (row.name, row.help);
    match row.standing {
        Standing::Used => return fits(row, statement, complaints).then_some(row),
        Standing::NotYet | Standing::Missed => complaints.push(not_done(row, word.span)),
        Standing::NotOurs => {
            let message = format!("`{name}` is not for Handover and is skipped");
            let help = format!("it {help}; keepalived can go on doing that part");
            complaints.push(Diagnostic::warning("not-ours", word.span, message).help(help));
        }
    }
    None
}

/// What a misspelt word probably is, once it has been complained about: what it says is then judged in the same round.
pub(crate) fn guess(
    place: Place,
    statement: &Statement<'_>,
    complaints: &Complaints,
) -> Option<&'static Directive> {
    let word = statement.keyword.text;
    if complaints.is_full() || !directives::places_of(word).is_empty() {
        return None;
    }
    let row = directives::find(place, nearest(word, directives::words_at(place))?)?;
    let fits = (row.body == Body::None) == statement.block.is_none();
    (row.standing.is_read() && fits).then_some(row)
}

/// A word of the language that nothing is done with.
pub(crate) fn not_done(row: &Directive, span: Span) -> Diagnostic {
    let name = row.name;
    let help = if row.without.is_empty() { "remove it, or leave it for keepalived" } else { row.without };
    let since = if row.since.is_empty() { String::new() } else { format!(" since {}", row.since) };
    let keepalived = format!("knows the word{since}: it {}", row.help);
    let diagnostic = match row.standing {
        Standing::Missed => {
            let message =
                format!("nothing is done with `{name}` yet, and without it the file means something else");
            Diagnostic::error("not-supported", span, message)
        }
        Standing::Used | Standing::NotYet | Standing::NotOurs => Diagnostic::warning(
            "not-supported",
            span,
            format!("nothing is done with `{name}` yet: it is skipped"),
        ),
    };
    diagnostic.keepalived(keepalived).help(help)
}

/// Whether there is a block where there has to be one, and only there.
fn fits(row: &Directive, statement: &Statement<'_>, complaints: &mut Complaints) -> bool {
    let span = statement.keyword.span;
    match (row.body, &statement.block) {
        (Body::None, None) | (Body::Statements(_) | Body::Entries(_) | Body::Names, Some(_)) => true,
        (Body::None, Some(block)) => {
            let message = format!("`{}` has no block", row.name);
            let diagnostic = Diagnostic::error("stray-block", block.open, message);
            complaints.push(diagnostic.help("is the line in front of this brace misspelt?"));
            false
        }
        (Body::Statements(_) | Body::Entries(_) | Body::Names, None) => {
            let message = format!("`{}` needs a block", row.name);
            let help = format!("`{}` {}; write it as `{0} {{ ... }}`", row.name, row.help);
            complaints.push(Diagnostic::error("missing-block", span, message).help(help));
            false
        }
    }
}

/// A word that is no word, or not one of this place.
pub(crate) fn unknown(place: Place, word: &Word<'_>) -> Diagnostic {
    let near = nearest(word.text, directives::words_at(place));
    let elsewhere = directives::places_of(word.text);
    if elsewhere.is_empty() {
        let help = near.map_or_else(
            || {
                "no word of keepalived.conf is like it; remove the line or look for a typing mistake"
                    .to_owned()
            },
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("unknown word {}", quote(word.text));
        return Diagnostic::error("unknown-word", word.span, message).help(help);
    }
    let message = format!("`{}` is not legal in {place}", word.text);
    let places = elsewhere.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let help = match near {
        _ if place != Place::Root && elsewhere.contains(&Place::Root) => {
            "is the `}` of the block before it missing?".to_owned()
        }
        Some(near) => format!("did you mean `{near}`? `{}` belongs in {places}", word.text),
        None => format!("it belongs in {places}"),
    };
    Diagnostic::error("misplaced-word", word.span, message).help(help)
}
