//! The string formats that Flow knows.

macro_rules! formats {
    ($($variant:ident $name:literal),+ $(,)?) => {
        /// What `format` says of a string.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Format {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl Format {
            /// The format's name in a schema.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The format of this name or alias; none for a name that Flow does not know.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    "datetime" => Some(Self::DateTime),
                    "uint32" | "uint64" => Some(Self::Integer),
                    _ => None,
                }
            }
        }

        #[cfg(test)]
        const ALL: &[Format] = &[$(Format::$variant),+];
    };
}

formats! {
    Date "date",
    DateTime "date-time",
    Time "time",
    Email "email",
    Hostname "hostname",
    IdnHostname "idn-hostname",
    IdnEmail "idn-email",
    Ipv4 "ipv4",
    Ipv6 "ipv6",
    MacAddr "macaddr",
    MacAddr8 "macaddr8",
    Uuid "uuid",
    Duration "duration",
    Iri "iri",
    Uri "uri",
    UriReference "uri-reference",
    IriReference "iri-reference",
    UriTemplate "uri-template",
    JsonPointer "json-pointer",
    RelativeJsonPointer "relative-json-pointer",
    Regex "regex",
    Integer "integer",
    Number "number",
    Sha256 "sha256",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases() {
        assert_eq!(ALL.len(), 24);
        for format in ALL {
            assert_eq!(Format::from_name(format.as_str()), Some(*format));
        }
        assert_eq!(Format::from_name("datetime"), Some(Format::DateTime));
        assert_eq!(Format::from_name("uint32"), Some(Format::Integer));
        assert_eq!(Format::from_name("uint64"), Some(Format::Integer));
        assert_eq!(Format::from_name("Date"), None);
    }
}
