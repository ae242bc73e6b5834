//! The rules of a configuration, the texts of its errors, and the forms.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use url::Url;

use super::option::{Choice, INSTEAD_OF, Listed};
use super::reference::leaves;
use super::*;

fn endpoint(json: &str) -> Result<EndpointConfig, Error> {
    EndpointConfig::parse(json.as_bytes())
}

/// The error for an otherwise good JSON configuration with these members besides, which may replace some.
fn refusal(members: &str) -> String {
    endpoint(&with(members)).unwrap_err().to_string()
}

fn with(members: &str) -> String {
    let mut base = serde_json::json!({"bootstrap_servers": "b:9092", "message_format": "JSON"});
    let extra: Value = serde_json::from_str(members).unwrap();
    for (name, value) in extra.as_object().unwrap() {
        base[name] = value.clone();
    }
    base.to_string()
}

fn accepted(members: &str) -> EndpointConfig {
    endpoint(&with(members)).unwrap()
}

#[test]
fn the_least_configuration_has_the_defaults() {
    let config = endpoint(r#"{"bootstrap_servers":"localhost:9092","message_format":"JSON"}"#).unwrap();
    assert_eq!(
        config,
        EndpointConfig {
            bootstrap_servers: "localhost:9092".to_owned(),
            credentials: None,
            tls: None,
            tls_certificates: None,
            message_format: MessageFormat::Json,
            compression: Compression::Lz4,
            schema_registry: None,
            topic_partitions: 6,
            topic_replication_factor: 3,
            advanced: Advanced {
                stall_timeout: Duration::from_secs(120),
                in_flight_bytes: 67_108_864,
                in_flight_messages: 250_000,
                producers: 1,
                delivery: Delivery::AtLeastOnce,
                progress_topic: Topic::new("flow_progress").unwrap(),
                transaction_timeout: Duration::from_secs(900),
                annotations: Annotations::default(),
                client: ClientOptions::default(),
                topics: TopicOptions::default(),
                formats: FormatOptions {
                    key_format: None,
                    value_format: None,
                    deletions: Deletions::Tombstone,
                    root_document: RootDocument::String,
                },
                partitioning: PartitionOptions {
                    partitioner: Partitioner::Consistent,
                    partition_without_prefix: false,
                },
            },
        }
    );
}

#[test]
fn the_fullest_configuration_is_read() {
    let config = endpoint(
        r#"{"bootstrap_servers":" a:1, b ,[::1]:9093,","credentials":{"auth_type":"user_password",
        "mechanism":"SCRAM-SHA-512","username":"u","password":"p"},"tls":"system_certificates",
        "message_format":"Avro","compression":"zstd","schema_registry":{"endpoint":" https://r/base/, ,https://s,",
        "username":"ru","password":"rp","schema_registry_type":"confluent","subject_strategy":"topic_record_name",
        "record_namespace":"com.acme","auto_register":true,"use_latest_version":true,"compatibility":"FULL_TRANSITIVE","client_certificate":"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        "client_key":"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----","ca_certificate":"-----BEGIN CA-----\n-----END CA-----"},"topic_partitions":12,
        "topic_replication_factor":-1,"advanced":{"stall_timeout":"90s","in_flight_bytes":1048576,
        "in_flight_messages":5000,"producers":4,
        "delivery":"at_least_once","progress_topic":"progress","transaction_timeout":"5m",
        "key_format":"string","value_format":"json","deletions":"ignore","root_document":"json","partitioner":"murmur2","partition_without_prefix":true,"later":true},"unknown":[1]}"#,
    )
    .unwrap();
    assert_eq!(
        config,
        EndpointConfig {
            bootstrap_servers: "a:1,b,[::1]:9093".to_owned(),
            credentials: Some(Credentials::UserPassword {
                mechanism: SaslMechanism::ScramSha512,
                username: "u".to_owned(),
                password: Secret::new("p"),
            }),
            tls: Some(Tls::SystemCertificates),
            tls_certificates: None,
            message_format: MessageFormat::Avro,
            compression: Compression::Zstd,
            schema_registry: Some(SchemaRegistry {
                endpoint: vec![Url::parse("https://r/base/").unwrap(), Url::parse("https://s").unwrap()],
                username: Some("ru".to_owned()),
                password: Some(Secret::new("rp")),
                bearer_token: None,
                client_certificate: Some("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----".to_owned()),
                client_key: Some(Secret::new("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----")),
                ca_certificate: Some("-----BEGIN CA-----\n-----END CA-----".to_owned()),
                subject_strategy: SubjectStrategy::TopicRecordName,
                record_namespace: Some(Namespace::new("com.acme").unwrap()),
                auto_register: true,
                use_latest_version: true,
                compatibility: Some(Compatibility::FullTransitive),
            }),
            topic_partitions: 12,
            topic_replication_factor: -1,
            advanced: Advanced {
                stall_timeout: Duration::from_secs(90),
                in_flight_bytes: 1_048_576,
                in_flight_messages: 5000,
                producers: 4,
                delivery: Delivery::AtLeastOnce,
                progress_topic: Topic::new("progress").unwrap(),
                transaction_timeout: Duration::from_secs(300),
                annotations: Annotations::default(),
                client: ClientOptions::default(),
                topics: TopicOptions::default(),
                formats: FormatOptions {
                    key_format: Some(KeyFormat::String),
                    value_format: Some(ValueFormat::Json),
                    deletions: Deletions::Ignore,
                    root_document: RootDocument::Json,
                },
                partitioning: PartitionOptions {
                    partitioner: Partitioner::Murmur2,
                    partition_without_prefix: true,
                },
            },
        }
    );
}

#[test]
fn null_counts_as_absent_everywhere() {
    let plain = accepted("{}");
    let nulls = accepted(
        r#"{"credentials":null,"tls":null,"compression":null,"schema_registry":null,"topic_partitions":null,
        "topic_replication_factor":null,"advanced":null}"#,
    );
    assert_eq!(nulls, plain);
    assert_eq!(
        accepted(
            r#"{"advanced":{"stall_timeout":null,"in_flight_bytes":null,"in_flight_messages":null,"producers":null,"delivery":null,"progress_topic":null,"transaction_timeout":null}}"#
        ),
        plain
    );
    let registry = accepted(r#"{"schema_registry":{"endpoint":"http://r","username":null,"password":null}}"#);
    assert_eq!(registry.schema_registry.unwrap().username, None);

    assert_eq!(
        refusal(r#"{"message_format":null}"#),
        "reading the endpoint configuration: /message_format is missing; choose how messages are written: \"Avro\" or \"JSON\""
    );
    assert_eq!(
        refusal(r#"{"bootstrap_servers":null}"#),
        "reading the endpoint configuration: /bootstrap_servers is missing; give the brokers' addresses, such as broker1:9092,broker2:9092"
    );
    assert_eq!(
        refusal(r#"{"schema_registry":{"endpoint":null}}"#),
        "reading the endpoint configuration: /schema_registry/endpoint is missing; give the registry's address, such as https://registry.example.com"
    );
    assert_eq!(
        Resource::parse(br#"{"topic":null}"#).unwrap_err().to_string(),
        "reading the resource configuration: /topic is missing; name the topic that documents are published to"
    );
}

#[test]
fn what_is_not_an_object_is_refused() {
    assert_eq!(
        endpoint("{\n  \"a\": nul").unwrap_err().to_string(),
        "reading the endpoint configuration: not valid JSON, at line 2 column 10; expected a JSON object"
    );
    assert!(matches!(endpoint("").unwrap_err(), Error::Syntax { line: 1, column: 0, .. }));
    assert!(matches!(EndpointConfig::parse(b"{\"a\":\"\xff\"}").unwrap_err(), Error::Syntax { .. }));
    assert_eq!(
        endpoint("[1]").unwrap_err().to_string(),
        "reading the endpoint configuration: the whole is an array, expected an object"
    );
    assert_eq!(
        Resource::parse(b"null").unwrap_err().to_string(),
        "reading the resource configuration: the whole is null, expected an object"
    );
    // Far deeper than any stack: an error, not an overflow.
    assert!(endpoint(&"[".repeat(100_000)).is_err());
}

#[test]
fn wrong_types_name_their_place() {
    for (members, message) in [
        (r#"{"bootstrap_servers":["b:9092"]}"#, "/bootstrap_servers is an array, expected a string"),
        (r#"{"credentials":"hunter2"}"#, "/credentials is a string, expected an object"),
        (r#"{"tls":true}"#, "/tls is a boolean, expected a string"),
        (r#"{"message_format":1}"#, "/message_format is a number, expected a string"),
        (r#"{"compression":{}}"#, "/compression is an object, expected a string"),
        (r#"{"schema_registry":"http://r"}"#, "/schema_registry is a string, expected an object"),
        (r#"{"schema_registry":{"endpoint":1}}"#, "/schema_registry/endpoint is a number, expected a string"),
        (r#"{"topic_partitions":"6"}"#, "/topic_partitions is a string, expected an integer"),
        (r#"{"topic_replication_factor":[]}"#, "/topic_replication_factor is an array, expected an integer"),
        (r#"{"advanced":[]}"#, "/advanced is an array, expected an object"),
        (r#"{"advanced":{"stall_timeout":120}}"#, "/advanced/stall_timeout is a number, expected a string"),
        (
            r#"{"advanced":{"in_flight_bytes":"1"}}"#,
            "/advanced/in_flight_bytes is a string, expected an integer",
        ),
    ] {
        assert_eq!(refusal(members), format!("reading the endpoint configuration: {message}"));
    }
    assert_eq!(
        Resource::parse(br#"{"topic":7}"#).unwrap_err().to_string(),
        "reading the resource configuration: /topic is a number, expected a string"
    );
}

#[test]
fn each_choice_has_its_names_and_no_others() {
    for (name, compression) in Compression::ALL {
        assert_eq!(accepted(&format!(r#"{{"compression":"{name}"}}"#)).compression, *compression);
        assert_eq!(compression.as_str(), *name);
    }
    for (name, mechanism) in SaslMechanism::ALL {
        let login = format!(
            r#"{{"credentials":{{"auth_type":"user_password","mechanism":"{name}","username":"u","password":"p"}}}}"#
        );
        let Some(Credentials::UserPassword { mechanism: read, .. }) = accepted(&login).credentials else {
            panic!("no credentials were read");
        };
        assert_eq!(read, *mechanism);
        assert_eq!(mechanism.as_str(), *name);
    }
    assert_eq!(MessageFormat::Json.as_str(), "JSON");
    assert_eq!(MessageFormat::Avro.as_str(), "Avro");

    for (members, message) in [
        (
            r#"{"compression":"lzma"}"#,
            r#"/compression is "lzma", expected one of none, gzip, lz4, snappy, zstd"#,
        ),
        (r#"{"compression":""}"#, r#"/compression is "", expected one of none, gzip, lz4, snappy, zstd"#),
        (r#"{"message_format":"json"}"#, r#"/message_format is "json", expected one of Avro, JSON"#),
        (r#"{"tls":"no"}"#, r#"/tls is "no", expected one of system_certificates"#),
        (
            r#"{"credentials":{"auth_type":"oauth"}}"#,
            r#"/credentials/auth_type is "oauth", expected one of user_password, oauth_client_credentials, aws_msk_iam"#,
        ),
        (
            r#"{"credentials":{"auth_type":"user_password","mechanism":"GSSAPI"}}"#,
            r#"/credentials/mechanism is "GSSAPI", expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"#,
        ),
    ] {
        assert_eq!(refusal(members), format!("reading the endpoint configuration: {message}"));
    }
}

#[test]
fn incomplete_credentials_say_what_is_missing() {
    for (members, message) in [
        (
            "{}",
            "/credentials/auth_type is missing; set it to one of \"user_password\", \"oauth_client_credentials\", \"aws_msk_iam\"",
        ),
        (
            r#"{"auth_type":"user_password"}"#,
            "/credentials/mechanism is missing; choose the one that the brokers offer: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        ),
        (
            r#"{"auth_type":"user_password","mechanism":"PLAIN","username":""}"#,
            "/credentials/username is missing; give the SASL user name",
        ),
        (
            r#"{"auth_type":"user_password","mechanism":"PLAIN","username":"u","pasword":"p"}"#,
            "/credentials/password is missing; give the SASL user's password",
        ),
        (
            r#"{"auth_type":"user_password","mechanism":"PLAIN","username":"u\u0000","password":"p"}"#,
            r#"/credentials/username is "***": it has a NUL character, which Kafka's client would take for its end: remove it"#,
        ),
        (
            r#"{"auth_type":"user_password","mechanism":"PLAIN","username":"u","password":"p\u0000q"}"#,
            r#"/credentials/password is "***": it has a NUL character, which Kafka's client would take for its end: remove it"#,
        ),
    ] {
        assert_eq!(
            refusal(&format!(r#"{{"credentials":{members}}}"#)),
            format!("reading the endpoint configuration: {message}")
        );
    }
}

#[test]
fn avro_needs_a_registry() {
    assert_eq!(
        refusal(r#"{"message_format":"Avro"}"#),
        "reading the endpoint configuration: /schema_registry is missing; message_format Avro needs a registry for its schemas: give its endpoint, or choose JSON"
    );
    assert!(accepted(r#"{"schema_registry":{"endpoint":"http://r"}}"#).schema_registry.is_some());
}

#[test]
fn bootstrap_servers_follow_librdkafkas_grammar() {
    let sasl =
        r#""credentials":{"auth_type":"user_password","mechanism":"PLAIN","username":"u","password":"p"}"#;
    let tls = r#""tls":"system_certificates""#;
    let servers = |text: &str, more: &str| {
        let comma = if more.is_empty() { "" } else { "," };
        endpoint(&with(&format!(r#"{{"bootstrap_servers":{}{comma}{more}}}"#, Value::from(text))))
            .map(|config| config.bootstrap_servers)
    };
    for (text, more, read) in [
        ("b", "", "b"),
        (",, b:9092 ,c:1,", "", "b:9092,c:1"),
        ("10.0.0.1:65535", "", "10.0.0.1:65535"),
        ("[fe80::1%eth0]:9092,[::1]", "", "[fe80::1%eth0]:9092,[::1]"),
        ("PLAINTEXT://b:9092", "", "b:9092"),
        ("ssl://b/", tls, "b"),
        ("SASL_PLAINTEXT://b:1/path", sasl, "b:1"),
        ("SASL_SSL://b:1,c:2", &format!("{sasl},{tls}"), "b:1,c:2"),
        ("bücher.example:9092", "", "bücher.example:9092"),
    ] {
        assert_eq!(servers(text, more).unwrap(), read, "{text}");
    }
    let form = "an IPv6 address needs the form [address]:port";
    let port = "expected host:port with a port of 1 to 65535";
    for (text, value, reason) in [
        ("b:", "b:", port),
        ("b:0", "b:0", port),
        ("b:65536", "b:65536", port),
        ("b:+1", "b:+1", port),
        ("ok:1,b:x", "b:x", port),
        (":9092", ":9092", "expected host:port, the host is empty"),
        ("[]:1", "[]:1", "expected host:port, the host is empty"),
        ("[::1", "[::1", form),
        ("[::1]9092", "[::1]9092", form),
        ("fe80::1", "fe80::1", &format!("expected host:port; {form}")),
        ("b c:1", "b c:1", "expected host:port, ' ' cannot be in a host's name"),
        ("b:9092/x", "b:9092/x", port),
        ("b/x:1", "b/x:1", "expected host:port, '/' cannot be in a host's name"),
        ("u:pw@b:1", "***", &format!("expected host:port; {form}")),
        ("http://b:9092", "http://b:9092", "expected host:port, without the protocol"),
        ("://b", "://b", "expected host:port, without the protocol"),
        (
            "SASL_SSL://b:1",
            "SASL_SSL://b:1",
            "the protocol does not fit tls and credentials, which make it PLAINTEXT; give host:port alone, and say by tls and credentials how to connect",
        ),
    ] {
        assert_eq!(
            servers(text, "").unwrap_err().to_string(),
            format!("reading the endpoint configuration: /bootstrap_servers is {value:?}: {reason}")
        );
    }
    for empty in ["", " ", ",", " , ,"] {
        assert!(matches!(servers(empty, "").unwrap_err(), Error::Missing { .. }), "{empty:?}");
    }
}

#[test]
fn security_protocol_follows_tls_and_credentials() {
    let sasl =
        r#""credentials":{"auth_type":"user_password","mechanism":"PLAIN","username":"u","password":"p"}"#;
    let tls = r#""tls":"system_certificates""#;
    for (members, protocol) in [
        (String::new(), "PLAINTEXT"),
        (tls.to_owned(), "SSL"),
        (sasl.to_owned(), "SASL_PLAINTEXT"),
        (format!("{sasl},{tls}"), "SASL_SSL"),
    ] {
        assert_eq!(accepted(&format!("{{{members}}}")).security_protocol(), protocol);
    }
}

#[test]
fn registry_endpoints_are_plain_http_addresses() {
    let read = |text: &str| {
        endpoint(&with(&format!(r#"{{"schema_registry":{{"endpoint":{}}}}}"#, Value::from(text))))
            .map(|config| config.schema_registry.unwrap().endpoint[0].to_string())
    };
    assert_eq!(read("http://127.0.0.1:8081").unwrap(), "http://127.0.0.1:8081/");
    assert_eq!(read("https://r/apis/ccompat/v7").unwrap(), "https://r/apis/ccompat/v7");
    for (text, value, reason) in [
        (
            "registry.example.com",
            "registry.example.com",
            "not a URL (relative URL without a base); expected one such as https://registry.example.com",
        ),
        ("localhost:8081", "localhost:8081", "expected an address that begins with http:// or https://"),
        ("ftp://r", "ftp://r", "expected an address that begins with http:// or https://"),
        (
            "http://u:hunter2@r",
            "***",
            "a login inside the address would not be kept secret; give it as username and password beside it",
        ),
        ("http://r/?x=1", "http://r/?x=1", "expected a base address, without a query (?) or fragment (#)"),
        ("http://r/#x", "http://r/#x", "expected a base address, without a query (?) or fragment (#)"),
    ] {
        assert_eq!(
            read(text).unwrap_err().to_string(),
            format!("reading the endpoint configuration: /schema_registry/endpoint is {value:?}: {reason}")
        );
    }
}

#[test]
fn a_registrys_login_is_one_and_whole() {
    let refusal = |members: &str| {
        let error =
            refusal(&format!(r#"{{"schema_registry":{{"endpoint":"https://r, http://s",{members}}}}}"#));
        error.replace("reading the endpoint configuration: /schema_registry/", "")
    };
    let pem = r"-----BEGIN X-----\n-----END X-----";
    assert_eq!(
        refusal(r#""use_latest_version":true"#),
        r#"use_latest_version is "true": with subject_strategy topic_hash a subject has no other schema than that of the documents: choose topic_name, record_name or topic_record_name, or remove it"#
    );
    assert_eq!(
        refusal(r#""compatibility":"NONE","auto_register":false"#),
        r#"compatibility is "NONE": it is set for subjects that are new, and with auto_register false none is: remove it, or set auto_register to true"#
    );
    assert_eq!(
        refusal(r#""bearer_token":"t0ken","username":"u","password":"p""#),
        r#"bearer_token is "***": a request has one login: remove it, or username and password"#
    );
    assert_eq!(
        refusal(r#""bearer_token":"t0ken\n""#),
        r#"bearer_token is "***": expected letters, digits and signs of ASCII, without blanks or line ends"#
    );
    assert!(
        refusal(r#""client_certificate":"-----BEGIN X-----\\nhunter2\\n-----END X-----""#)
            .starts_with(r#"client_certificate is "***": it has \n as two characters"#)
    );
    assert_eq!(
        refusal(&format!(r#""client_certificate":"{pem}""#)),
        "client_key is missing; client_certificate needs its private key"
    );
    assert_eq!(
        refusal(&format!(r#""client_key":"{pem}""#)),
        "client_certificate is missing; client_key needs the certificate that it belongs to"
    );
    assert_eq!(
        refusal(&format!(r#""ca_certificate":"{pem}""#)),
        r#"endpoint is "http://s/": certificates are for addresses that begin with https://: remove ca_certificate, or make this one of https"#
    );
    assert_eq!(
        refusal(r#""ca_certificate":"/etc/ca.pem""#),
        r#"ca_certificate is "***": expected PEM text, with a line that starts with -----BEGIN: give the content of the file, not its name"#
    );
}

/// The name that a binding's record has, by strategy, namespace, and the resource's own.
#[test]
fn records_have_the_names_that_strategy_and_options_give() {
    let name = |strategy: &str, namespace: &str, resource: &str| {
        let config = accepted(&format!(
            r#"{{"schema_registry":{{"endpoint":"http://r","subject_strategy":"{strategy}","record_namespace":"{namespace}"}}}}"#
        ));
        assert_eq!(config.subject_strategy().as_str(), strategy);
        let resource = format!(r#"{{"topic":"shop.orders","record_name":"{resource}"}}"#);
        config.record_name(&Resource::parse(resource.as_bytes()).unwrap()).unwrap_or_default()
    };
    for strategy in ["topic_hash", "topic_name"] {
        assert_eq!(name(strategy, "", ""), "");
        assert_eq!(name(strategy, "com.acme", ""), "com.acme.root");
    }
    for strategy in ["record_name", "topic_record_name"] {
        assert_eq!(name(strategy, "", ""), "shop_orders");
        assert_eq!(name(strategy, "com.acme", ""), "com.acme.shop_orders");
    }
    for strategy in ["topic_hash", "topic_name", "record_name", "topic_record_name"] {
        assert_eq!(name(strategy, "com.acme", "Order"), "com.acme.Order");
        assert_eq!(name(strategy, "com.acme", "shop.Order"), "shop.Order");
    }
    let plain = accepted("{}");
    let resource = Resource::parse(br#"{"topic":"orders"}"#).unwrap();
    assert_eq!((plain.subject_strategy(), plain.record_name(&resource)), (SubjectStrategy::TopicHash, None));

    assert_eq!(
        refusal(r#"{"schema_registry":{"endpoint":"http://r","record_namespace":"com.1"}}"#),
        "reading the endpoint configuration: /schema_registry/record_namespace is \"com.1\": expected a namespace by Avro's rules: parts with dots between them, each a letter a-z or A-Z or an underscore, then letters, digits and underscores"
    );
    assert_eq!(
        refusal(r#"{"schema_registry":{"endpoint":"http://r","subject_strategy":"TopicNameStrategy"}}"#),
        "reading the endpoint configuration: /schema_registry/subject_strategy is \"TopicNameStrategy\", expected one of topic_hash, topic_name, record_name, topic_record_name"
    );
    assert_eq!(
        Resource::parse(br#"{"topic":"t","record_name":"int"}"#).unwrap_err().to_string(),
        "reading the resource configuration: /record_name is \"int\": \"int\" is the name of one of Avro's own types: choose another"
    );
}

#[test]
fn registry_logins_are_whole_or_absent() {
    let login = |members: &str| {
        endpoint(&with(&format!(r#"{{"schema_registry":{{"endpoint":"http://r"{members}}}}}"#))).map(
            |config| {
                let registry = config.schema_registry.unwrap();
                (registry.username, registry.password.map(|password| password.expose().to_owned()))
            },
        )
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(login("").unwrap(), (None, None));
    assert_eq!(login(r#","username":"","password":"""#).unwrap(), (None, None));
    assert_eq!(login(r#","username":"token""#).unwrap(), (some("token"), None));
    assert_eq!(login(r#","username":"","password":"p""#).unwrap(), (some(""), some("p")));
    assert_eq!(
        login(r#","password":"p""#).unwrap_err().to_string(),
        "reading the endpoint configuration: /schema_registry/username is missing; a password is there, so give the user that it belongs to"
    );
}

#[test]
fn numbers_have_bounds() {
    assert_eq!(accepted(r#"{"topic_partitions":1}"#).topic_partitions, 1);
    assert_eq!(accepted(r#"{"topic_partitions":12.0}"#).topic_partitions, 12);
    assert_eq!(accepted(r#"{"topic_replication_factor":-1}"#).topic_replication_factor, -1);
    assert_eq!(accepted(r#"{"advanced":{"in_flight_messages":1}}"#).advanced.in_flight_messages, 1);
    assert_eq!(accepted(r#"{"advanced":{"in_flight_bytes":65536}}"#).advanced.in_flight_bytes, 65_536);

    let partitions = "expected 1 to 100000 partitions";
    let replicas = "expected 1 to 10000 replicas, or -1 for the brokers' default";
    for (members, place, value, reason) in [
        (r#"{"topic_partitions":0}"#, "/topic_partitions", "0", partitions),
        (r#"{"topic_partitions":-1}"#, "/topic_partitions", "-1", partitions),
        (r#"{"topic_partitions":100001}"#, "/topic_partitions", "100001", partitions),
        (r#"{"topic_partitions":4294967297}"#, "/topic_partitions", "4294967297", partitions),
        (
            r#"{"topic_partitions":18446744073709551615}"#,
            "/topic_partitions",
            "18446744073709551615",
            partitions,
        ),
        (r#"{"topic_partitions":6.5}"#, "/topic_partitions", "6.5", "expected an integer"),
        (r#"{"topic_replication_factor":0}"#, "/topic_replication_factor", "0", replicas),
        (r#"{"topic_replication_factor":-2}"#, "/topic_replication_factor", "-2", replicas),
        (r#"{"topic_replication_factor":10001}"#, "/topic_replication_factor", "10001", replicas),
        (
            r#"{"advanced":{"in_flight_bytes":0}}"#,
            "/advanced/in_flight_bytes",
            "0",
            "expected 65536 to 2147483647",
        ),
        (
            r#"{"advanced":{"in_flight_messages":0}}"#,
            "/advanced/in_flight_messages",
            "0",
            "expected 1 to 2147483647",
        ),
        (r#"{"advanced":{"producers":0}}"#, "/advanced/producers", "0", "expected 1 to 16"),
        (r#"{"advanced":{"producers":17}}"#, "/advanced/producers", "17", "expected 1 to 16"),
        (
            r#"{"advanced":{"in_flight_messages":2147483648}}"#,
            "/advanced/in_flight_messages",
            "2147483648",
            "expected 1 to 2147483647",
        ),
    ] {
        assert_eq!(
            refusal(members),
            format!("reading the endpoint configuration: {place} is {value:?}: {reason}")
        );
    }
    assert!(refusal(r#"{"topic_partitions":1e300}"#).ends_with(partitions));
}

#[test]
fn stall_timeouts_are_durations_within_reason() {
    let read = |text: &str| {
        endpoint(&with(&format!(r#"{{"advanced":{{"stall_timeout":"{text}"}}}}"#)))
            .map(|config| config.advanced.stall_timeout)
    };
    for (text, millis) in [
        ("2m", 120_000),
        ("90s", 90_000),
        ("PT2M", 120_000),
        ("1m 30s", 90_000),
        ("100ms", 100),
        ("24h", 86_400_000),
    ] {
        assert_eq!(read(text).unwrap(), Duration::from_millis(millis), "{text}");
    }
    for text in ["", "2", "soon", "99ms", "-2m", "24h 1s", "1 year", "P1D"] {
        assert_eq!(
            read(text).unwrap_err().to_string(),
            format!(
                "reading the endpoint configuration: /advanced/stall_timeout is {text:?}: expected a duration of 100ms to 24h, such as \"2m\", \"90s\" or \"PT2M\""
            )
        );
    }
}

#[test]
fn delivery_is_chosen_and_contradictions_are_refused() {
    let once = accepted(r#"{"advanced":{"delivery":"exactly_once"}}"#);
    assert_eq!(once.advanced.delivery, Delivery::ExactlyOnce);
    assert_eq!(once.advanced.progress_topic.as_str(), "flow_progress");
    assert_eq!(accepted(r#"{"advanced":{"producers":2}}"#).advanced.delivery, Delivery::AtLeastOnce);
    for (members, place, reason) in [
        (
            r#"{"delivery":"exactly_once","producers":2}"#,
            r#"producers is "2""#,
            ": with delivery exactly_once there is one transaction, of one producer: set producers to 1, or delivery to at_least_once",
        ),
        (
            r#"{"delivery":"twice"}"#,
            r#"delivery is "twice""#,
            ", expected one of at_least_once, exactly_once",
        ),
        (
            r#"{"progress_topic":"a b"}"#,
            r#"progress_topic is "a b""#,
            ": the character ' ' is not allowed in a topic's name, only letters a-z and A-Z, digits, '.', '_' and '-'",
        ),
        (
            r#"{"transaction_timeout":"999ms"}"#,
            r#"transaction_timeout is "999ms""#,
            ": expected a duration of 1s to 24h, such as \"2m\", \"90s\" or \"PT2M\"",
        ),
    ] {
        assert_eq!(
            refusal(&format!(r#"{{"advanced":{members}}}"#)),
            format!("reading the endpoint configuration: /advanced/{place}{reason}")
        );
    }
}

#[test]
fn no_binding_writes_to_the_progress_topic() {
    let once = accepted(r#"{"advanced":{"delivery":"exactly_once","progress_topic":"p"}}"#);
    let topic = |name: &str| Topic::new(name).unwrap();
    assert_eq!(once.check_topic(&topic("flow_progress")), Ok(()));
    assert_eq!(
        once.check_topic(&topic("p")).unwrap_err().to_string(),
        "reading the resource configuration: /topic is \"p\": this topic is advanced.progress_topic of the \
         endpoint, which has records of its own: choose another for one of them"
    );
    let twice = accepted(r#"{"advanced":{"progress_topic":"p"}}"#);
    assert_eq!(twice.check_topic(&topic("p")), Ok(()), "nothing is recorded there");
}

#[test]
fn keys_and_values_are_written_as_endpoint_and_resource_say() {
    const REGISTRY: &str = r#""schema_registry":{"endpoint":"http://r"}"#;
    let config = |members: &str| endpoint(&format!(r#"{{"bootstrap_servers":"b",{members}}}"#));
    let formats = |members: &str, resource: &str| {
        let resource = Resource::parse(format!(r#"{{"topic":"t"{resource}}}"#).as_bytes()).unwrap();
        let formats = config(members).and_then(|config| config.formats(&resource));
        formats.map(|formats| (formats.key, formats.value)).map_err(|error| error.to_string())
    };
    let avro = format!(r#""message_format":"Avro",{REGISTRY}"#);
    let json = format!(r#""message_format":"JSON",{REGISTRY}"#);
    let own = |members: &str| format!(r#"{json},"advanced":{{{members}}}"#);
    assert_eq!(formats(&avro, ""), Ok((KeyFormat::Avro, ValueFormat::Avro)));
    assert_eq!(formats(&json, ""), Ok((KeyFormat::Json, ValueFormat::Json)));
    assert_eq!(formats(&own(r#""key_format":"avro""#), ""), Ok((KeyFormat::Avro, ValueFormat::Json)));
    assert_eq!(formats(&own(r#""value_format":"avro""#), ""), Ok((KeyFormat::Json, ValueFormat::Avro)));
    assert_eq!(
        formats(
            &own(r#""key_format":"avro","value_format":"avro""#),
            r#","key_format":"string","value_format":"json""#
        ),
        Ok((KeyFormat::String, ValueFormat::Json))
    );
    assert_eq!(
        formats(&json, r#","key_format":"json_schema","value_format":"json_schema""#),
        Ok((KeyFormat::JsonSchema, ValueFormat::JsonSchema))
    );
    assert_eq!(
        formats(r#""message_format":"Avro","advanced":{"key_format":"string","value_format":"json"}"#, ""),
        Ok((KeyFormat::String, ValueFormat::Json)),
        "needs no registry"
    );

    let missing = "reading the endpoint configuration: /schema_registry is missing; ";
    let other = "a registry for its schemas: give its endpoint, or choose other formats";
    for (members, resource, why) in [
        (
            r#""message_format":"Avro","advanced":{"key_format":"string"}"#,
            "",
            "message_format Avro needs a registry for its schemas: give its endpoint, or choose JSON"
                .to_owned(),
        ),
        (
            r#""message_format":"JSON","advanced":{"value_format":"json_schema"}"#,
            "",
            format!("advanced.key_format or advanced.value_format needs {other}"),
        ),
        (
            r#""message_format":"JSON","advanced":{"value_format":"avro"}"#,
            "",
            format!("advanced.key_format or advanced.value_format needs {other}"),
        ),
        (
            r#""message_format":"JSON""#,
            r#","key_format":"avro""#,
            format!("the binding's key_format or value_format needs {other}"),
        ),
    ] {
        assert_eq!(formats(members, resource), Err(format!("{missing}{why}")));
    }

    let latest = |format: &str| {
        format!(
            r#""message_format":"JSON","schema_registry":{{"endpoint":"http://r","subject_strategy":"topic_name","use_latest_version":true}},"advanced":{{"value_format":"{format}"}}"#
        )
    };
    assert_eq!(formats(&latest("avro"), ""), Ok((KeyFormat::Json, ValueFormat::Avro)));
    assert_eq!(
        formats(&latest("json_schema"), "").unwrap_err(),
        "reading the endpoint configuration: /schema_registry/use_latest_version is \"true\": messages cannot be written by \
         another JSON schema than their own: set it to false, or choose another key_format or value_format than json_schema"
    );

    let embeds = |members: &str, resource: &str| {
        let resource = Resource::parse(format!(r#"{{"topic":"t"{resource}}}"#).as_bytes()).unwrap();
        let formats = config(members).unwrap().formats(&resource);
        formats.map(|formats| formats.embeds_document).map_err(|error| error.to_string())
    };
    let (as_json, as_text) = (r#","root_document":"json""#, r#","root_document":"string""#);
    assert_eq!(embeds(&json, ""), Ok(false));
    assert_eq!(embeds(&json, as_json), Ok(true));
    assert_eq!(embeds(&own(r#""root_document":"json""#), ""), Ok(true));
    assert_eq!(embeds(&own(r#""root_document":"json""#), as_text), Ok(false));
    let why = "root_document is \"json\": values in Avro have the root document as a string: choose string, or json or json_schema \
               as the value_format";
    assert_eq!(embeds(&avro, as_json), Err(format!("reading the resource configuration: /{why}")));
    assert_eq!(
        embeds(&own(r#""root_document":"json","value_format":"avro""#), ""),
        Err(format!("reading the endpoint configuration: /advanced/{why}"))
    );
    assert_eq!(embeds(&avro, &format!(r#"{as_json},"value_format":"json_schema""#)), Ok(true));

    let refused = config(r#""message_format":"JSON","advanced":{"partition_without_prefix":true}"#)
        .unwrap()
        .partitioning(&Resource::parse(br#"{"topic":"t"}"#).unwrap());
    assert!(refused.is_err());
    let refused =
        config(&format!(r#"{avro},"advanced":{{"partition_without_prefix":true,"key_format":"string"}}"#))
            .unwrap()
            .partitioning(&Resource::parse(br#"{"topic":"t"}"#).unwrap());
    assert!(refused.is_err(), "the key's format counts");
    config(&own(r#""partition_without_prefix":true,"key_format":"avro""#))
        .unwrap()
        .partitioning(&Resource::parse(br#"{"topic":"t"}"#).unwrap())
        .unwrap();
}

#[test]
fn deletions_are_published_as_endpoint_and_resource_say() {
    let resource =
        |members: &str| Resource::parse(format!(r#"{{"topic":"t"{members}}}"#).as_bytes()).unwrap();
    let ignoring = accepted(r#"{"advanced":{"deletions":"ignore"}}"#);
    assert_eq!(accepted("{}").deletions(&resource("")), Deletions::Tombstone);
    assert_eq!(ignoring.deletions(&resource("")), Deletions::Ignore);
    assert_eq!(ignoring.deletions(&resource(r#","deletions":"document""#)), Deletions::Document);
}

#[test]
fn partitions_are_computed_as_endpoint_and_resource_say() {
    let avro = |advanced: &str| {
        endpoint(&format!(
            r#"{{"bootstrap_servers":"b","message_format":"Avro","schema_registry":{{"endpoint":"http://r"}},"advanced":{advanced}}}"#
        ))
        .unwrap()
    };
    let resource = |members: &str| Resource::parse(format!(r#"{{"topic":"t"{members}}}"#).as_bytes());
    let partitioning = |config: &EndpointConfig, members: &str| {
        let read = config.partitioning(&resource(members).unwrap());
        read.map(|read| (read.partitioner, read.without_prefix)).map_err(|error| error.to_string())
    };
    let java = avro(r#"{"partitioner":"murmur2","partition_without_prefix":true}"#);
    assert_eq!(partitioning(&avro("{}"), ""), Ok((Partitioner::Consistent, false)));
    assert_eq!(partitioning(&java, ""), Ok((Partitioner::Murmur2, true)));
    assert_eq!(
        partitioning(&java, r#","partitioner":"consistent","partition_without_prefix":false"#),
        Ok((Partitioner::Consistent, false))
    );
    let own = r#","partitioner":"murmur2","partition_without_prefix":true"#;
    assert_eq!(partitioning(&avro("{}"), own), Ok((Partitioner::Murmur2, true)));

    let why = "_without_prefix is \"true\": these keys have no schema id in front, as their format is neither avro nor json_schema: leave it out";
    assert_eq!(
        partitioning(&accepted(r#"{"advanced":{"partition_without_prefix":true}}"#), "").unwrap_err(),
        format!("reading the endpoint configuration: /advanced/partition{why}")
    );
    assert_eq!(
        partitioning(&accepted("{}"), own).unwrap_err(),
        format!("reading the resource configuration: /partition{why}")
    );

    assert_eq!(resource("").unwrap().partition_by, [""; 0]);
    assert_eq!(resource(r#","partition_by":["b","a"]"#).unwrap().partition_by, ["b", "a"]);
    assert_eq!(
        refusal(r#"{"advanced":{"partitioner":"random"}}"#),
        "reading the endpoint configuration: /advanced/partitioner is \"random\", expected one of consistent, murmur2"
    );
}

#[test]
fn topics_have_the_names_that_kafka_accepts() {
    let topic =
        |name: &str| Resource::parse(serde_json::json!({"topic": name, "other": 1}).to_string().as_bytes());
    for name in ["a", "A.b_c-9", "...", &"x".repeat(249)] {
        assert_eq!(topic(name).unwrap().topic.as_str(), name);
    }
    let character = "is not allowed in a topic's name, only letters a-z and A-Z, digits, '.', '_' and '-'";
    for (name, shown, reason) in [
        ("", "", "a topic's name must not be empty".to_owned()),
        (".", ".", "a topic must not be named \".\" or \"..\"".to_owned()),
        ("..", "..", "a topic must not be named \".\" or \"..\"".to_owned()),
        ("acme/orders", "acme/orders", format!("the character '/' {character}")),
        ("ö", "ö", format!("the character 'ö' {character}")),
        ("a b", "a b", format!("the character ' ' {character}")),
        (
            &"x".repeat(250),
            &format!("{}...", "x".repeat(80)),
            "a topic's name may have 249 characters, this one has 250".to_owned(),
        ),
    ] {
        assert_eq!(
            topic(name).unwrap_err().to_string(),
            format!("reading the resource configuration: /topic is {shown:?}: {reason}")
        );
    }
}

/// Every way to misplace or mistype a password that names the place must not tell the password.
#[test]
fn no_error_tells_a_secret() {
    let login = |members: &str| format!(r#"{{"credentials":{{"auth_type":"user_password",{members}}}}}"#);
    let good = r#""mechanism":"PLAIN","username":"u","password":"hunter2""#;
    for members in [
        login(r#""mechanism":"PLAIN","username":"u","password":["hunter2"]"#),
        login(r#""mechanism":"PLAIN","username":"u","password":{"hunter2":"hunter2"}"#),
        login(r#""mechanism":"PLAIN","username":"u","Password":"hunter2""#),
        login(r#""mechanism":"PLAIN","username":["hunter2"],"password":"x""#),
        login(r#""mechanism":"hunter2","username":"u","password":"hunter2""#),
        r#"{"credentials":"hunter2"}"#.to_owned(),
        r#"{"schema_registry":"http://u:hunter2@r"}"#.to_owned(),
        r#"{"schema_registry":{"endpoint":"http://u:hunter2@r"}}"#.to_owned(),
        r#"{"schema_registry":{"endpoint":"http://u:hunter2@:x"}}"#.to_owned(),
        r#"{"schema_registry":{"endpoint":"http://r","password":["hunter2"]}}"#.to_owned(),
        r#"{"schema_registry":{"endpoint":"hunter2","password":"hunter2","username":"u"}}"#.to_owned(),
        r#"{"bootstrap_servers":"u:hunter2@b:9092"}"#.to_owned(),
        format!(r#"{{"tls":"hunter2","credentials":{{"auth_type":"user_password",{good}}}}}"#),
        format!(
            r#"{{"bootstrap_servers":"hunter2/x","credentials":{{"auth_type":"user_password",{good}}}}}"#
        ),
    ] {
        let error = endpoint(&with(&members)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{members}: {error:?}");
    }
    for text in [r#"{"password":"hunter2"#, r#"{"password":hunter2}"#, r#"{"password":"hunter2"}x"#] {
        let error = endpoint(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}: {error:?}");
    }

    let config = accepted(&format!(
        r#"{{"credentials":{{"auth_type":"user_password",{good}}},
        "schema_registry":{{"endpoint":"http://r","username":"u","password":"hunter2"}}}}"#
    ));
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(format!("{0} {0:?}", Secret::new("hunter2")), "*** ***");
}

/// What a place of PEM text takes as well.
const PASTED: &str = "-----BEGIN hunter2,/-----\n-----END hunter2,/-----";

/// A new secret cannot be forgotten: whatever the form calls one is hidden, wherever else it was pasted.
#[test]
fn every_secret_of_the_form_is_hidden_wherever_it_is_pasted() {
    for (part, schema) in [(Part::Endpoint, EndpointConfig::schema()), (Part::Resource, Resource::schema())] {
        let leaves = leaves(&schema);
        for secret in leaves.iter().filter(|leaf| leaf.is_secret) {
            let mut hidden = 0;
            for other in leaves.iter().filter(|other| other.pointer != secret.pointer) {
                let mut document = json!({"bootstrap_servers": "b", "message_format": "JSON", "topic": "t"});
                // Its group is complete, or no more than that would be said.
                for beside in leaves.iter().filter(|beside| beside.is_beside(secret)) {
                    beside.put(&mut document, beside.a_text());
                }
                secret.put(&mut document, PASTED);
                other.put(&mut document, PASTED);
                let text = document.to_string();
                let error = match part {
                    Part::Endpoint => endpoint(&text).err(),
                    Part::Resource => Resource::parse(text.as_bytes()).err(),
                };
                let told = error.map(|error| format!("{error} {error:?}")).unwrap_or_default();
                assert!(!told.contains("hunter2"), "{} in {}: {told}", secret.pointer, other.pointer);
                hidden += usize::from(told.contains("\"***\""));
            }
            assert!(hidden > 4, "{}: {hidden} messages of an invalid value", secret.pointer);
        }
    }
}

#[test]
fn a_nul_is_refused_in_every_text() {
    let why = "has a NUL character, which Kafka's client would take for its end: remove it";
    for (members, place) in [
        (r#"{"bootstrap_servers":"b\u0000"}"#, "/bootstrap_servers"),
        (r#"{"message_format":"hunter2\u0000"}"#, "/message_format"),
        (r#"{"schema_registry":{"endpoint":"http://u:hunter2@r\u0000"}}"#, "/schema_registry/endpoint"),
        (
            r#"{"credentials":{"auth_type":"user_password","mechanism":"PLAIN","username":"u","password":"hunter2\u0000"}}"#,
            "/credentials/password",
        ),
    ] {
        assert_eq!(
            refusal(members),
            format!("reading the endpoint configuration: {place} is \"***\": it {why}")
        );
    }
}

#[test]
fn secrets_are_found_at_any_depth() {
    let schema = json!({
        "properties": {
            "list": {"items": {"secret": true}},
            "map": {"additionalProperties": {"secret": true}},
            "all": {"secret": true},
            "open": {},
        },
        "oneOf": [{"properties": {"a": {"secret": true}}}, {"properties": {"b": {"secret": true}}}],
    });
    let value =
        json!({"list": ["1", 2], "map": {"x": "3"}, "all": {"y": ["4"]}, "open": "5", "a": "6", "b": "7"});
    let mut found = form::secrets(&schema, &value);
    found.sort_unstable();
    assert_eq!(found, ["1", "3", "4", "6", "7"]);
}

/// A form can only be drawn when each property says what it is and where it stands.
#[test]
fn every_property_of_the_forms_is_described() {
    fn walk(schema: &Value, path: &str) -> usize {
        let mut orders = Vec::new();
        let mut count = 0;
        for (name, property) in schema["properties"].as_object().unwrap() {
            let path = format!("{path}/{name}");
            for annotation in ["title", "description", "type"] {
                assert!(property[annotation].is_string(), "{path} has no {annotation}");
            }
            orders.push(property["order"].as_u64().unwrap());
            count += 1;
            if let Some(variants) = property["oneOf"].as_array() {
                count += variants.iter().map(|variant| walk(variant, &path)).sum::<usize>();
            } else if property.get("properties").is_some() {
                count += walk(property, &path);
            } else {
                let is_secret = SECRETS.contains(&path.as_str());
                let below =
                    property.get("items").or(property.get("additionalProperties")).unwrap_or(property);
                assert_eq!(below["secret"] == true, is_secret, "{path}");
                assert_eq!(property["nonsensitive"] == true, !is_secret, "{path}");
            }
        }
        orders.sort_unstable();
        assert!(orders.into_iter().eq(0..schema["properties"].as_object().unwrap().len() as u64), "{path}");
        count
    }
    assert!(walk(&EndpointConfig::schema(), "") >= 23);
    assert!(walk(&Resource::schema(), "") >= 1);
}

/// Said here once more, so that nothing becomes a secret, or ceases to be one, by the way.
const SECRETS: &[&str] = &[
    "/credentials/password",
    "/credentials/client_secret",
    "/credentials/secret_access_key",
    "/credentials/session_token",
    "/schema_registry/password",
    "/schema_registry/bearer_token",
    "/schema_registry/client_key",
    "/tls_certificates/client_key",
    "/tls_certificates/client_key_password",
];

/// What a form offers and what is parsed must not drift apart.
#[test]
fn the_forms_choices_and_defaults_are_those_of_the_parser() {
    let schema = EndpointConfig::schema();
    let names = |pointer: &str| {
        let names = schema.pointer(pointer).unwrap().as_array().unwrap().iter();
        names.map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    fn all<T>(table: &[(&'static str, T)]) -> Vec<String> {
        table.iter().map(|(name, _)| (*name).to_owned()).collect()
    }
    assert_eq!(names("/properties/compression/enum"), all(Compression::ALL));
    assert_eq!(names("/properties/message_format/enum"), all(MessageFormat::ALL));
    assert_eq!(names("/properties/tls/enum"), all(Tls::ALL));
    let login = "/properties/credentials/oneOf/0/properties";
    assert_eq!(names(&format!("{login}/mechanism/enum")), all(SaslMechanism::ALL));
    assert_eq!(schema.pointer(&format!("{login}/auth_type/const")).unwrap(), "user_password");

    let mut defaults = serde_json::json!({"advanced": {}});
    for (name, property) in schema["properties"].as_object().unwrap() {
        if let Some(default) = property.get("default") {
            defaults[name] = default.clone();
        }
    }
    for (name, property) in schema.pointer("/properties/advanced/properties").unwrap().as_object().unwrap() {
        defaults["advanced"][name] = property["default"].clone();
    }
    assert_eq!(accepted(&defaults.to_string()), accepted("{}"));
}

/// Doc comments are shown to users, who see neither Rust's links nor its names.
#[test]
fn descriptions_are_for_users() {
    let leaves: Vec<_> = [EndpointConfig::schema(), Resource::schema()].iter().flat_map(leaves).collect();
    for leaf in &leaves {
        let text = &leaf.description;
        assert!(text.ends_with('.') && !text.contains("[`") && !text.contains("::"), "{}: {text}", leaf.name);
        assert!(!text.contains("  ") && !text.contains(".."), "{}: {text}", leaf.name);
    }
    // What wins over an option of the endpoint names one that there is.
    for leaf in &leaves {
        let Some((_, named)) = leaf.description.split_once(INSTEAD_OF) else { continue };
        let named = named.trim_end_matches('.');
        assert!(leaves.iter().any(|leaf| leaf.name == named), "{}: no option is named {named}", leaf.name);
    }
    assert!(EndpointConfig::DOC.trim().ends_with('.') && Resource::DOC.trim().ends_with('.'));
}

#[test]
fn the_endpoints_form() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&EndpointConfig::schema()).unwrap());
}

#[test]
fn the_resources_form() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&Resource::schema()).unwrap());
}

/// Texts made of what matters to the parsers, and of anything else.
fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "([a-z0-9@/:,.?# -]|\\[|\\]|SSL://|PLAINTEXT://|http://|é){0,12}"]
}

proptest! {
    /// No text panics, and what is accepted is a list that librdkafka reads whole.
    #[test]
    fn servers_that_are_accepted_are_read_whole(text in odd_text()) {
        let json = serde_json::json!({"bootstrap_servers": text, "message_format": "JSON"});
        if let Ok(config) = EndpointConfig::parse(json.to_string().as_bytes()) {
            for server in config.bootstrap_servers.split(',') {
                prop_assert!(!server.is_empty() && !server.contains(['/', '@', ' ']), "{server:?}");
            }
            // Reading it again changes nothing.
            let again = serde_json::json!({"bootstrap_servers": config.bootstrap_servers, "message_format": "JSON"});
            prop_assert_eq!(EndpointConfig::parse(again.to_string().as_bytes()).unwrap(), config);
        }
    }

    #[test]
    fn no_text_panics(text in odd_text(), bytes in any::<Vec<u8>>()) {
        let json = serde_json::json!({
            "bootstrap_servers": "b",
            "message_format": "Avro",
            "schema_registry": {"endpoint": text},
            "advanced": {"stall_timeout": text},
        });
        if let Ok(config) = EndpointConfig::parse(json.to_string().as_bytes()) {
            prop_assert!(config.schema_registry.is_some());
        }
        let resource = serde_json::json!({"topic": text}).to_string();
        if let Ok(resource) = Resource::parse(resource.as_bytes()) {
            prop_assert_eq!(resource.topic.as_str(), text);
        }
        let _ = EndpointConfig::parse(&bytes);
    }
}

#[test]
fn headers_and_times_of_a_binding_win_over_the_endpoints() {
    let config = accepted(
        r#"{"advanced":{"headers":{"team":"billing","n":1},"header_fields":["collection","operation"],"timestamp":"at"}}"#,
    );
    let resource = |more: &str| Resource::parse(format!(r#"{{"topic":"t"{more}}}"#).as_bytes()).unwrap();
    let all = config.annotations(&resource("")).unwrap();
    let headers = [("n", "1"), ("team", "billing")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(all.headers, Some(headers.into()));
    assert_eq!(all.header_fields, Some(vec![HeaderField::Collection, HeaderField::Operation]));
    assert_eq!(all.timestamp.as_deref(), Some("at"));
    let own =
        config.annotations(&resource(r#","headers":{},"header_fields":[],"timestamp":"when""#)).unwrap();
    assert_eq!((own.headers, own.header_fields), (Some(BTreeMap::new()), Some(Vec::new())));
    assert_eq!(own.timestamp.as_deref(), Some("when"));
    let without = config.annotations(&resource(r#","timestamp":"none""#)).unwrap();
    assert_eq!((without.timestamp, without.header_fields), (None, all.header_fields));
    let none = accepted("{}").annotations(&resource("")).unwrap();
    assert_eq!(none, Annotations::default());

    for (more, expected) in [
        (
            "",
            "reading the endpoint configuration: /advanced/headers/flow_operation: header_fields has \
             operation, which makes a header of this name: remove one of them",
        ),
        (
            r#","headers":{"flow_operation":"x"}"#,
            "reading the resource configuration: /headers/flow_operation: header_fields has operation, \
             which makes a header of this name: remove one of them",
        ),
    ] {
        let config =
            accepted(r#"{"advanced":{"headers":{"flow_operation":"mine"},"header_fields":["operation"]}}"#);
        assert_eq!(config.annotations(&resource(more)).unwrap_err().to_string(), expected);
    }
}

#[test]
fn headers_that_cannot_be_are_refused() {
    for (advanced, expected) in [
        (
            r#"{"headers":{"":"a"}}"#,
            "reading the endpoint configuration: /advanced/headers: a name in it is empty: fill it in, or take it out",
        ),
        (
            r#"{"header_fields":["operation","offset"]}"#,
            "reading the endpoint configuration: /advanced/header_fields/1 is \"offset\": expected one of \
             operation, collection, published_at",
        ),
        (
            r#"{"header_fields":["operation","operation"]}"#,
            "reading the endpoint configuration: /advanced/header_fields/1 is \"operation\": it is named twice: \
             remove one of them",
        ),
    ] {
        assert_eq!(refusal(&format!(r#"{{"advanced":{advanced}}}"#)), expected);
    }
}
