use super::*;

fn read(arguments: &[&str], set: &[&str]) -> Result<Config, Refusal> {
    let all = ["service"].iter().chain(arguments).map(OsString::from);
    Config::read_from(all, |name| set.contains(&name))
}

fn mistakes(arguments: &[&str], set: &[&str]) -> String {
    match read(arguments, set).unwrap_err() {
        Refusal::Mistakes(mistakes) => mistakes.join("\n"),
        Refusal::Arguments(error) => error.to_string(),
    }
}

#[test]
fn the_command_is_well_formed() {
    Arguments::command().debug_assert();
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = read(&["--dev", "--store", "memory"], &[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.audience, "fountain");
    assert_eq!(config.access_ttl, Duration::from_secs(600));
    assert_eq!(config.refresh_ttl, Duration::from_secs(30 * 86_400));
    assert_eq!(config.jwks_max_age, Duration::from_secs(300));
    assert_eq!(config.signing_alg, Algorithm::EdDsa);
}

#[test]
fn stores_that_are_not_there_are_refused_with_those_that_are() {
    for url in ["mysql://u:canary@h", "sqlite:", "sqlite://x", "", "canary"] {
        let text = store(url).unwrap_err();
        assert!(text.contains("memory, sqlite:PATH"), "{url}: {text}");
    }
    for url in ["postgres://u:canary@h:port/db", "redis://:canary@h:port"] {
        let text = store(url).unwrap_err();
        assert!(text.starts_with("write") && !text.contains("canary"));
    }
    let path = store("sqlite:/var/f.db");
    assert!(matches!(path, Ok(StoreChoice::Sqlite(path)) if path == *"/var/f.db"));
    for url in [
        "postgres://u:canary@h/db?sslmode=verify-full",
        "postgresql://u:canary@h/db",
        "redis://:canary@h",
        "rediss://:canary@h/3",
    ] {
        let choice = format!("{:?}", store(url).unwrap());
        assert!(!choice.contains("canary"), "{choice}");
    }
}

#[test]
fn an_address_with_a_password_is_no_argument() {
    for (argument, url) in [
        ("--store", "postgres://u:canary@h/db"),
        ("--store", "postgres://h/db?password=canary"),
        ("--store", "redis://:canary@h"),
        ("--redis-url", "rediss://u:canary@h"),
        ("--delivery", "smtps://u:canary@h"),
    ] {
        let text = mistakes(&["--dev", argument, url], &[]);
        assert!(text.contains(&format!("{argument} shows")), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
    // Where there is none, only the secrets are missing that every node must share.
    let text = mistakes(&["--dev", "--store", "postgres://u@h/db"], &[]);
    assert!(
        text.starts_with("FOUNTAIN_KEK and FOUNTAIN_PEPPER"),
        "{text}"
    );
}

#[test]
fn addresses_come_from_files_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (kek, pepper) = (
        write("kek", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"),
        write("pepper", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\n"),
    );
    let secrets = [
        "--kek-file",
        &kek,
        "--pepper-file",
        &pepper,
        "--delivery",
        "none",
    ];
    let postgres = write("postgres", "postgres://u:canary@h/db\n");
    let redis = write("redis", "rediss://u:canary@h\n");
    let files = ["--store-file", &postgres, "--redis-url-file", &redis];
    let config = read(&[&secrets[..], &files, &["--store-pooler"]].concat(), &[]).unwrap();
    assert!(matches!(
        config.store,
        StoreChoice::Postgres { pooler: true, .. }
    ));
    assert!(config.redis_url.is_some());
    let twice = [&secrets[..], &["--store", "memory"], &files[..2]].concat();
    assert!(mistakes(&twice, &[]).contains("FOUNTAIN_STORE_FILE are both given"));
    let odd = write("odd", "mysql://u:canary@h");
    let text = mistakes(&[&secrets[..], &["--store-file", &odd]].concat(), &[]);
    assert!(text.contains("FOUNTAIN_STORE_FILE") && !text.contains("canary"));
}

#[test]
fn what_fits_no_store_is_a_mistake() {
    for (arguments, said) in [
        (
            ["--store", "memory", "--redis-url", "redis://h"],
            "durable store",
        ),
        (
            ["--store", "redis://h", "--redis-url", "redis://h"],
            "durable store",
        ),
        (
            ["--store", "sqlite:f.db", "--redis-url", "http://h"],
            "no address of a Redis",
        ),
        (
            ["--store", "sqlite:f.db", "--store-pooler", "--dev"],
            "no PostgreSQL",
        ),
    ] {
        let text = mistakes(&arguments, &[]);
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}

#[test]
fn both_missing_secrets_are_named_with_a_hint() {
    let text = mistakes(&["--store", "memory"], &[]);
    assert!(
        text.contains("FOUNTAIN_KEK is missing") && text.contains("FOUNTAIN_PEPPER is missing")
    );
    assert!(text.contains("openssl rand -base64 32") && text.contains("--dev"));
}

#[test]
fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
    let text = mistakes(&["--dev", "--store", "memory", "--kek", "canary"], &[]);
    assert!(
        text.contains("FOUNTAIN_KEK_FILE") && !text.contains("canary"),
        "{text}"
    );
}

#[test]
fn one_secret_of_the_pair_is_not_enough_even_for_development() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kek");
    std::fs::write(&file, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    let file = file.to_str().unwrap();
    let text = mistakes(&["--dev", "--store", "memory", "--kek-file", file], &[]);
    assert!(text.contains("FOUNTAIN_PEPPER is missing") && !text.contains("FOUNTAIN_KEK "));
}

#[test]
fn variables_of_what_is_not_there_are_named_and_not_ignored() {
    for (name, _) in NOT_YET {
        let text = mistakes(&["--dev", "--store", "memory"], &[name]);
        assert!(text.starts_with(name), "{text}");
    }
}

#[test]
fn a_shared_secret_signs_nothing_here() {
    assert!(algorithm("HS256").is_err() && algorithm("none").is_err());
    assert_eq!(algorithm("ES256"), Ok(Algorithm::Es256));
}

#[test]
fn every_algorithm_that_can_be_chosen_is_named_where_one_is_chosen() {
    let help = Arguments::command().render_long_help().to_string();
    let hint = algorithm("none").unwrap_err();
    for known in Algorithm::ALL.iter().filter(|a| !a.is_symmetric()) {
        assert_eq!(algorithm(known.as_str()), Ok(*known));
        let is_named = |text: &str| {
            text.split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| word == known.as_str())
        };
        assert!(is_named(&help) && is_named(hint), "{known:?}");
    }
}
