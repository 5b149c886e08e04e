//! What is wrong with a sibling: kept for status, and logged once however often it is tried again.

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
        Self { whose, text: Some("not connected yet".to_owned()) }
    }

    /// Remembers what is wrong, and logs it when it is something new.
    pub fn complain(&mut self, text: String) {
        if self.text.as_ref() != Some(&text) {
            log::warn!("{}: {text}", self.whose);
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
