//! What terminals can do: colours, where they are wanted.

use std::io::IsTerminal;

use clap::ValueEnum;

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`
    #[default]
    Auto,
    /// Always, into files and pipes as well
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether what goes to `stream` is coloured. `NO_COLOR` counts where it is not empty (no-color.org).
    pub fn wanted(self, stream: &impl IsTerminal) -> bool {
        self.wanted_with(stream.is_terminal(), |name| std::env::var(name).ok())
    }

    fn wanted_with(self, is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                is_terminal
                    && variable("NO_COLOR").is_none_or(|value| value.is_empty())
                    && variable("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

/// How a text is emphasised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// It is well.
    Good,
    /// It deserves a look.
    Doubtful,
    /// It is wrong.
    Bad,
    /// It matters less.
    Faint,
    /// It matters more.
    Strong,
}

impl Style {
    /// The text in this style, where `colored`.
    pub fn paint(self, text: &str, colored: bool) -> String {
        if !colored {
            return text.to_owned();
        }
        let code = match self {
            Self::Good => "32",
            Self::Doubtful => "33",
            Self::Bad => "31",
            Self::Faint => "2",
            Self::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// A text without characters that could command a terminal.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let none = |_: &str| None;
        let set = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        assert!(Color::Auto.wanted_with(true, none));
        assert!(Color::Auto.wanted_with(true, set("NO_COLOR", "")));
        assert!(!Color::Auto.wanted_with(true, set("NO_COLOR", "1")));
        assert!(!Color::Auto.wanted_with(true, set("TERM", "dumb")));
        assert!(!Color::Auto.wanted_with(false, none));
        assert!(Color::Always.wanted_with(false, set("NO_COLOR", "1")), "who says always means it");
        assert!(!Color::Never.wanted_with(true, none));
    }

    #[test]
    fn a_style_is_there_where_it_is_wanted() {
        assert_eq!(Style::Bad.paint("x", false), "x");
        assert_eq!(Style::Bad.paint("x", true), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(harmless("a\u{1b}[31m\nb"), "a\u{fffd}[31m\u{fffd}b");
    }
}
