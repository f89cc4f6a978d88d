use std::collections::BTreeMap;

use super::*;

/// Every command's help as it is shown on a terminal of 100 columns.
fn help() -> String {
    let mut text = String::new();
    let mut waiting = vec![(String::from("towpath"), command().term_width(100))];
    while !waiting.is_empty() {
        let (name, mut command) = waiting.remove(0);
        command = command.bin_name(&name).disable_help_subcommand(true);
        command.build();
        text.push_str(&format!("=== {name} ===\n{}\n", command.render_long_help()));
        for inner in command.get_subcommands() {
            waiting.push((format!("{name} {}", inner.get_name()), inner.clone().term_width(100)));
        }
    }
    text
}

#[test]
fn the_help_of_every_command_is_as_reviewed() {
    let lines: Vec<String> = help().lines().map(|line| line.trim_end().to_owned()).collect();
    insta::assert_snapshot!("help", lines.join("\n"));
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}

#[test]
fn every_command_has_a_help_with_examples() {
    fn check(command: &clap::Command, above: &str) {
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            let name = format!("{above} {}", inner.get_name());
            let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty(), "{name}");
            let after = inner.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(inner.has_subcommands() || after.contains(&name), "{name}: {after}");
            check(inner, &name);
        }
    }
    check(&command(), "towpath");
}

/// The examples in the help are command lines that parse: a renamed flag cannot leave a stale one behind.
#[test]
fn the_examples_in_the_help_can_be_typed() {
    let mut examples = 0;
    for line in help().replace("\\\n", " ").lines() {
        let line = line.trim();
        let Some(at) = line.find("towpath ").filter(|at| *at == 0 || line.starts_with("TOWPATH_") || line.contains("| towpath ")) else {
            continue;
        };
        // A `#` within a word begins no comment.
        let typed = line.get(at..).unwrap_or("").split(" #").next().unwrap_or("").split(['|', '>']).next().unwrap_or("").trim();
        if typed.contains("[OPTIONS]") || typed.contains('<') || typed.contains("[COMMAND]") {
            continue;
        }
        let words = words(typed);
        let parsed = command().try_get_matches_from(&words).and_then(|matches| Cli::from_arg_matches(&matches));
        assert!(parsed.is_ok(), "{typed}: {}", parsed.map(|_| ()).unwrap_err());
        examples += 1;
    }
    assert!(examples > 30, "{examples}");
}

#[test]
fn the_examples_of_the_configuration_file_can_be_used() {
    let help = command().find_subcommand("serve").unwrap().get_after_help().unwrap().to_string();
    let examples: Vec<&str> = help.split("[config]").skip(1).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let text = format!("[config]{}", example.split("\n\n").next().unwrap());
        let config = crate::config::parse(std::path::Path::new("/x/towpath.toml"), &text);
        assert!(config.is_ok(), "{text}\n{}", config.unwrap_err());
    }
}

/// Splits as a shell does, as far as the examples need it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            c => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[test]
fn mistyped_commands_and_missing_reasons_are_refused_with_a_hint() {
    let refused = |line: &str| command().try_get_matches_from(words(line)).unwrap_err().to_string();
    assert!(refused("towpath statu").contains("status"), "{}", refused("towpath statu"));
    for line in
        ["towpath promote web", "towpath rollback web", "towpath hold web", "towpath release web", "towpath retry web", "towpath cancel x"]
    {
        assert!(refused(line).contains("--reason"), "{line}: {}", refused(line));
    }
    assert!(refused("towpath plan ./config --branch x").contains("cannot be used"));
    assert!(refused("towpath render -f x --parameters -p A=1").contains("cannot be used"));
}

#[test]
fn completions_are_made_for_every_shell_and_name_every_command() {
    let shells: BTreeMap<&str, clap_complete::Shell> = [
        ("bash", clap_complete::Shell::Bash),
        ("zsh", clap_complete::Shell::Zsh),
        ("fish", clap_complete::Shell::Fish),
        ("elvish", clap_complete::Shell::Elvish),
        ("powershell", clap_complete::Shell::PowerShell),
    ]
    .into();
    for (name, shell) in shells {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command(), "towpath", &mut script);
        let script = String::from_utf8(script).unwrap();
        for inner in command().get_subcommands().filter(|inner| !inner.is_hide_set()) {
            assert!(script.contains(inner.get_name()), "{name}: {}", inner.get_name());
        }
    }
}
