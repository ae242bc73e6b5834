//! A password that is found again in whatever form it was written.
//!
//! It has two cores of letters and digits, which quoting, URL-encoding and escaping leave as they are, and between them
//! what each of these changes. Base64 and hexadecimal forms of the cores are looked for as well; base64 in its three
//! alignments, so that `user:password` is found whatever the user's name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// A password that no other place has.
#[derive(Debug, Clone)]
pub struct Secret {
    pub text: String,
    forms: Vec<Vec<u8>>,
}

impl Secret {
    /// The password of a place. Passwords of different names have different cores.
    pub fn of(name: &str) -> Self {
        let cores = [format!("kQ7z{name}Xw4"), format!("nV2{name}jR9b")];
        let text = format!("{} ,\"\\/%+é{{}}&{}", cores[0], cores[1]);
        let mut forms = Vec::new();
        for core in &cores {
            forms.push(core.clone().into_bytes());
            forms.push(core.bytes().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes());
            forms.push(core.bytes().map(|byte| format!("{byte:02X}")).collect::<String>().into_bytes());
            for before in 0..3 {
                // Only whole groups of three bytes look alike whatever stands around them.
                let whole = &core[(3 - before) % 3..];
                let whole = &whole[..whole.len() / 3 * 3];
                forms.push(STANDARD_NO_PAD.encode(whole).into_bytes());
            }
        }
        Self { text, forms }
    }

    /// The first of its forms that is there.
    pub fn found_in(&self, said: &[u8]) -> Option<String> {
        let form = self.forms.iter().find(|form| memchr::memmem::find(said, form).is_some())?;
        Some(String::from_utf8_lossy(form).into_owned())
    }
}

#[test]
fn every_form_is_found() {
    let secret = Secret::of("Test");
    let Secret { text, .. } = &secret;
    let url = url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut said = vec![
        text.clone(),
        format!("{text:?}"),
        serde_json::Value::from(&text[..]).to_string(),
        serde_json::Value::from(format!("{text:?}")).to_string(),
        url,
        text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        text[..20].to_owned(),
        text[text.len() - 20..].to_owned(),
    ];
    for user in ["u", "me", "she", "them"] {
        said.push(STANDARD_NO_PAD.encode(format!("{user}:{text}")));
        said.push(STANDARD_NO_PAD.encode(format!("\0{user}\0{text}")));
    }
    for said in said {
        assert!(secret.found_in(format!("before{said}after").as_bytes()).is_some(), "{said}");
        assert!(Secret::of("Other").found_in(said.as_bytes()).is_none(), "{said}");
    }
}
