//! Each kind of option in a configuration that has them all: what is read, what is refused, and the form.

use super::super::error::Part;
use super::super::option::{choices, options};
use super::super::pem::pem;
use super::super::{form, topics};
use super::*;

choices! {
    /// A fruit.
    pub enum Fruit {
        /// Red or green,
        /// mostly.
        Apple = "apple",
        /// Yellow.
        Banana = "banana",
    }
}

options! {
    /// One option of each kind that is in no form yet.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Basket, checked by no_red_bananas {
        /// Whether it is full.
        pub full: bool = "Full", flag().or(true);
        /// What it carries.
        pub fruits: Vec<String> = "Fruits", list().or(json!(["apple"]));
        /// What it costs.
        pub prices: BTreeMap<String, String> = "Prices", map().or(json!({}));
        /// Who vouches for it.
        pub certificate: Option<String> = "Certificate", pem();
        /// Its key.
        pub key: Option<Secret> = "Key", pem().secret();
        /// How many.
        pub partitions: Option<i32> = "Partitions", topics::partitions().instead_of("topic_partitions");
    }
    flat {
        /// What is on top of it.
        pub lid: Lid;
    }
}

options! {
    /// What is on top.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Lid {
        /// What is painted on it.
        pub picture: Fruit = "Picture", choice().or("banana");
        /// How it is locked.
        pub lock: Option<Lock> = "Lock", group();
    }
}

options! {
    /// How it is locked.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Lock by kind = "Kind" {
        /// By digits.
        Digits = "digits", "Digits" {
            /// The digits.
            code: Secret = "Code", text().secret().required("give the code");
        }
        /// By weight.
        Weight = "weight", "Weight" {}
    }
}

fn no_red_bananas(basket: Basket, members: &Members<'_>) -> Result<Basket, Error> {
    if basket.fruits.iter().any(|fruit| fruit == "red banana") {
        return Err(members.invalid("fruits", "red banana", "bananas are yellow".to_owned()));
    }
    Ok(basket)
}

fn basket(json: &str) -> Result<Basket, String> {
    let document: Value = serde_json::from_str(json).unwrap();
    let members = Members::root(Part::Resource, &document).unwrap();
    Basket::read(&members).map_err(|error| error.to_string())
}

#[test]
fn each_kind_of_option_is_read() {
    let empty = basket("{}").unwrap();
    assert_eq!(
        empty,
        Basket {
            full: true,
            fruits: vec!["apple".to_owned()],
            prices: BTreeMap::new(),
            certificate: None,
            key: None,
            partitions: None,
            lid: Lid { picture: Fruit::Banana, lock: None },
        }
    );
    let nulls = r#"{"full":null,"fruits":null,"prices":{"x":null},"certificate":null,"key":"","lock":null}"#;
    assert_eq!(basket(nulls).unwrap(), empty);
    let texts = |texts: &[(&str, &str)]| {
        texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(
        basket(
            r#"{"full":false,"fruits":["a","b"],"prices":{"a":"1","b":2,"c":2.5,"d":true,"e":""},
            "certificate":"x\n-----BEGIN X-----\n-----END X-----","key":"-----BEGIN KEY-----\n-----END KEY-----","partitions":7,
            "picture":"apple","lock":{"kind":"digits","code":"0000"}}"#
        )
        .unwrap(),
        Basket {
            full: false,
            fruits: vec!["a".to_owned(), "b".to_owned()],
            prices: texts(&[("a", "1"), ("b", "2"), ("c", "2.5"), ("d", "true"), ("e", "")]),
            certificate: Some("x\n-----BEGIN X-----\n-----END X-----".to_owned()),
            key: Some(Secret::new("-----BEGIN KEY-----\n-----END KEY-----")),
            partitions: Some(7),
            lid: Lid { picture: Fruit::Apple, lock: Some(Lock::Digits { code: Secret::new("0000") }) },
        }
    );
    assert_eq!((Fruit::Apple.as_str(), Fruit::Banana.as_str()), ("apple", "banana"));
    assert_eq!(basket(r#"{"lock":{"kind":"weight"}}"#).unwrap().lid.lock, Some(Lock::Weight {}));
}

#[test]
fn each_kind_of_option_says_what_is_wrong() {
    let nul = r#"is "***": it has a NUL character, which Kafka's client would take for its end: remove it"#;
    let pem = r#"is "***": expected PEM text, with a line that starts with -----BEGIN: give the content of the file, not its name"#;
    for (json, message) in [
        (r#"{"full":"yes"}"#, "/full is a string, expected a boolean"),
        (r#"{"fruits":"apple"}"#, "/fruits is a string, expected an array"),
        (r#"{"fruits":["a",null]}"#, "/fruits/1 is null, expected a string"),
        (r#"{"fruits":["red banana"]}"#, r#"/fruits is "red banana": bananas are yellow"#),
        (r#"{"prices":[]}"#, "/prices is an array, expected an object"),
        (r#"{"prices":{"a/b~c":[]}}"#, "/prices/a~1b~0c is an array, expected a string"),
        (r#"{"prices":{"a":"x\u0000"}}"#, &format!("/prices/a {nul}")),
        (r#"{"prices":{"\u0000":1}}"#, &format!("/prices/\0 {nul}")),
        (r#"{"fruits":["x\u0000"]}"#, &format!("/fruits/0 {nul}")),
        (r#"{"prices":{"":"1"}}"#, "/prices: a name in it is empty: fill it in, or take it out"),
        (r#"{"certificate":"/etc/ca.pem"}"#, &format!("/certificate {pem}")),
        (r#"{"key":"MIIE"}"#, &format!("/key {pem}")),
        (r#"{"key":"-----BEGIN \u0000"}"#, &format!("/key {nul}")),
        (r#"{"partitions":0}"#, r#"/partitions is "0": expected 1 to 100000 partitions"#),
        (r#"{"picture":"fig"}"#, r#"/picture is "fig", expected one of apple, banana"#),
        (r#"{"lock":{}}"#, r#"/lock/kind is missing; set it to one of "digits", "weight""#),
        (r#"{"lock":{"kind":"key"}}"#, r#"/lock/kind is "key", expected one of digits, weight"#),
        (r#"{"lock":{"kind":"digits"}}"#, "/lock/code is missing; give the code"),
    ] {
        assert_eq!(
            basket(json).unwrap_err(),
            format!("reading the resource configuration: {message}"),
            "{json}"
        );
    }
}

#[test]
fn each_kind_of_option_is_on_the_form() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&form::document::<Basket>("Basket")).unwrap());
}
