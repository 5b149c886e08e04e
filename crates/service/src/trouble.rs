//! What is wrong with a sibling: kept for status, and logged once however often it is tried again.

/// Before anything was tried.
const NOT_YET: &str = "not connected yet";

/// What is wrong, if anything is.
#[derive(Clone, Debug)]
pub struct Trouble {
    whose: &'static str,
    text: Option<String>,
}

impl Trouble {
    /// Nothing has been tried yet, which is a trouble, too; `whose` begins each line of the log.
    #[must_use]
    pub fn new(whose: &'static str) -> Self {
        Self { whose, text: Some(NOT_YET.to_owned()) }
    }

    /// Remembers what is wrong, and logs it when it is something new. Siblings that start together don't find each other at
    /// once: that a first attempt failed is no warning.
    pub fn complain(&mut self, text: String) {
        if self.text.as_deref() == Some(NOT_YET) {
            self.expect(text);
        } else if self.text.as_ref() != Some(&text) {
            log::warn!("{}: {text}", self.whose);
            self.text = Some(text);
        }
    }

    /// Remembers what is wrong, and had to be: it is news, and no warning.
    pub fn expect(&mut self, text: String) {
        if self.text.as_ref() != Some(&text) {
            log::info!("{}: {text}", self.whose);
            self.text = Some(text);
        }
    }

    /// Nothing is wrong any more; whether something was.
    pub fn settle(&mut self) -> bool {
        self.text.take().is_some()
    }

    /// What is wrong, in words.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_trouble_stands_until_it_is_settled() {
        let mut trouble = Trouble::new("checkerd");
        assert_eq!(trouble.text(), Some("not connected yet"));
        trouble.complain("gone".to_owned());
        trouble.complain("refused".to_owned());
        assert_eq!(trouble.text(), Some("refused"));
        assert!(trouble.settle());
        assert_eq!(trouble.text(), None);
        assert!(!trouble.settle(), "told once");
    }
}
