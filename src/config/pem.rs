//! Certificates and keys as PEM text, looked at before anything is made of them.
//!
//! Such a text has come through forms, environments and other people's YAML, and what OpenSSL says of a damaged one
//! ("no start line") tells nobody how. Whether a block holds a certificate is left to whoever uses it.

use super::kinds::filled;
use super::option::Setting;

/// A certificate or key as PEM text; an empty one is as good as none. Errors do not repeat it.
pub(super) fn pem() -> Setting<Option<String>> {
    filled().with("multiline", true).then(|members, name, text| match damage(&text) {
        None => Ok(text),
        Some(reason) => Err(members.invalid(name, "***", reason.to_owned())),
    })
}

/// What is wrong with the lines of a PEM text.
fn damage(text: &str) -> Option<&'static str> {
    if !text.contains(BEGIN) {
        return Some(
            "expected PEM text, with a line that starts with -----BEGIN: give the content of the file, not its name",
        );
    }
    // No PEM text has a backslash.
    if ["\\n", "\\r"].iter().any(|spelt| text.contains(spelt)) {
        return Some(
            "it has \\n as two characters where a line should end: give it with real line ends (in YAML as a block with | or \
             in double quotes, in JSON with \\n and not \\\\n)",
        );
    }
    let mut begun = None;
    for line in text.lines() {
        let marks = line.trim();
        if !(marks.contains(BEGIN) || marks.contains(END)) {
            continue;
        }
        if !marks.starts_with("-----") {
            return Some(
                "it has something in front of a -----BEGIN or -----END: each must stand on a line of its own",
            );
        }
        if !is_alone(marks) {
            return Some(
                "its line ends are lost, so that all of it stands on one line: give it as the file has it, with \
                 -----BEGIN ...----- and -----END ...----- on lines of their own",
            );
        }
        if line.starts_with(char::is_whitespace) {
            return Some(
                "its lines are indented: they must begin with -----BEGIN and -----END, without blanks",
            );
        }
        begun = match (begun, marks.strip_prefix(BEGIN), marks.strip_prefix(END)) {
            (None, Some(label), _) => Some(label),
            (Some(label), _, Some(ended)) if label == ended => None,
            _ => return Some(CUT),
        };
    }
    begun.map(|_| CUT)
}

/// Whether a line is one mark and nothing else, such as `-----BEGIN CERTIFICATE-----`.
fn is_alone(line: &str) -> bool {
    let label = line.strip_prefix(BEGIN).or_else(|| line.strip_prefix(END));
    label.and_then(|label| label.strip_suffix("-----")).is_some_and(|label| !label.contains("-----"))
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const CUT: &str = "a -----BEGIN line has no -----END line of the same kind behind it: the text is cut off, give the whole of it";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssl_takes_is_taken() {
        for text in [
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\r\nAAAA\r\n-----END CERTIFICATE-----",
            "\n\n-----BEGIN CERTIFICATE-----  \nAAAA\n-----END CERTIFICATE-----  \n\n",
            "Bag Attributes\n    friendlyName: me\nsubject=CN = x\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n\
             -----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            "-----BEGIN CERTIFICATE-----\n  AAAA\n  BBBB\n-----END CERTIFICATE-----\n",
        ] {
            assert_eq!(damage(text), None, "{text}");
        }
    }

    #[test]
    fn damage_is_named() {
        for (text, expected) in [
            ("/etc/ssl/ca.pem", "expected PEM text"),
            (
                "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n",
                "it has \\n as two characters",
            ),
            (
                "-----BEGIN CERTIFICATE-----\\r\\nAAAA\\r\\n-----END CERTIFICATE-----",
                "it has \\n as two characters",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\\n\n-----END CERTIFICATE-----\n",
                "it has \\n as two characters",
            ),
            ("-----BEGIN CERTIFICATE----- AAAA -----END CERTIFICATE-----", "its line ends are lost"),
            ("-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----", "its line ends are lost"),
            ("-----BEGIN CERTIFICATE-----\rAAAA\r-----END CERTIFICATE-----\r", "its line ends are lost"),
            ("-----BEGIN CERTIFICATE-----AAAA\n-----END CERTIFICATE-----", "its line ends are lost"),
            (
                "  -----BEGIN CERTIFICATE-----\n  AAAA\n  -----END CERTIFICATE-----\n",
                "its lines are indented",
            ),
            ("-----BEGIN CERTIFICATE-----\n  AAAA\n  -----END CERTIFICATE-----\n", "its lines are indented"),
            ("-----BEGIN CERTIFICATE-----\nAAAA-----END CERTIFICATE-----\n", "it has something in front"),
            (
                "\u{feff}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "it has something in front",
            ),
            (
                "\"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n\"",
                "it has something in front",
            ),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "a -----BEGIN line has no"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n", "a -----BEGIN line has no"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "a -----BEGIN line has no",
            ),
            ("AAAA\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n", "a -----BEGIN line has no"),
        ] {
            let found = damage(text).unwrap_or("nothing");
            assert!(found.starts_with(expected), "{text:?}: {found}");
        }
    }
}
