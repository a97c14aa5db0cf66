//! Completions for bash, zsh and fish, made from what the help says.

use super::help::{self, Help, OptionHelp};
use std::fmt::Write as _;

const NOTE: &str = "made from `sprat help` by dist/pages: what is changed here is lost";

/// The words that a shell offers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    Nothing,
    Files,
    Folders,
    Commands,
}

fn offer_of(value: &str) -> Offer {
    let value = value.trim_end_matches('.').trim_matches(['[', ']']);
    match value.split('|').next().unwrap_or_default() {
        "DIR" => Offer::Folders,
        "PATH" | "FILE" | "LINK" => Offer::Files,
        "COMMAND" => Offer::Commands,
        _ => Offer::Nothing,
    }
}

fn operand_offer(command: &Help) -> Offer {
    let words = command.operands.split_whitespace();
    let mut offers = words.filter(|word| *word != "[OPTIONS]").map(offer_of);
    offers.next_back().unwrap_or(Offer::Nothing)
}

fn names(option: &OptionHelp) -> Vec<&str> {
    let both = [option.short.as_str(), option.long.as_str()];
    both.into_iter().filter(|name| !name.is_empty()).collect()
}

fn all_names(commands: &[Help]) -> String {
    let names: Vec<&str> = commands
        .iter()
        .map(|command| command.name.as_str())
        .collect();
    names.join(" ")
}

/// The first clause of a meaning: short enough to stand beside an option.
fn gist(text: &str) -> String {
    let end = text.find(&[';', ':'][..]).unwrap_or(text.len());
    let end = end.min(text.find(" (").unwrap_or(end));
    text[..end].replace(['\'', '`', '[', ']'], "")
}

/// For bash.
pub fn bash(commands: &[Help]) -> String {
    let reply = |offer| match offer {
        Offer::Nothing => "COMPREPLY=()",
        Offer::Files => "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\")",
        Offer::Folders => "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$word\")",
        Offer::Commands => "mapfile -t COMPREPLY < <(compgen -W \"$commands\" -- \"$word\")",
    };
    let mut text = format!(
        "# bash completion for sprat: {NOTE}\n\n_sprat() {{\n    \
         local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}\n    \
         local commands=\"{}\" options=\n    \
         if ((COMP_CWORD == 1)); then\n        \
         mapfile -t COMPREPLY < <(compgen -W \"$commands --help --version\" -- \"$word\")\n        \
         return\n    fi\n    case $before in\n",
        all_names(commands)
    );
    // An option means the same everywhere.
    let valued = |(option, _): &(&OptionHelp, Vec<&str>)| !option.value.is_empty();
    let options: Vec<_> = help::options(commands).into_iter().filter(valued).collect();
    for offer in [Offer::Nothing, Offer::Files, Offer::Folders] {
        let alike = options
            .iter()
            .filter(|(option, _)| offer_of(&option.value) == offer);
        let names: Vec<&str> = alike.flat_map(|(option, _)| names(option)).collect();
        let (names, reply) = (names.join(" | "), reply(offer));
        writeln!(
            text,
            "    {names})\n        {reply}\n        return\n        ;;"
        )
        .unwrap();
    }
    text += "    esac\n    case ${COMP_WORDS[1]} in\n";
    for command in commands {
        let options: Vec<&str> = command.options.iter().flat_map(names).collect();
        let (name, options) = (&command.name, options.join(" "));
        let reply = reply(operand_offer(command));
        writeln!(
            text,
            "    {name})\n        options=\"{options}\"\n        {reply}\n        ;;"
        )
        .unwrap();
    }
    text + "    esac\n    if [[ $word == -* ]]; then\n        \
            mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n    fi\n}\n\
            complete -F _sprat sprat\n"
}

/// For zsh.
pub fn zsh(commands: &[Help]) -> String {
    let action = |offer| match offer {
        Offer::Nothing => "",
        Offer::Files => "_files",
        Offer::Folders => "_files -/",
        Offer::Commands => "_sprat_commands",
    };
    let mut text = format!("#compdef sprat\n# zsh completion for sprat: {NOTE}\n\n");
    text += "_sprat_commands() {\n    local -a commands=(\n";
    for command in commands {
        let gist = command.gist.replace('\'', "").replace(':', "\\:");
        writeln!(text, "        '{}:{gist}'", command.name).unwrap();
    }
    text += "    )\n    _describe command commands\n}\n\n_sprat() {\n    \
             if ((CURRENT == 2)); then\n        _sprat_commands\n        return\n    fi\n    \
             local command=$words[2]\n    shift words\n    ((CURRENT--))\n    \
             case $command in\n";
    for command in commands {
        writeln!(text, "    {})\n        _arguments -s \\", command.name).unwrap();
        for option in &command.options {
            let value = match option.value.as_str() {
                "" => String::new(),
                value => {
                    let name = value.replace(['[', ']', ':'], " ");
                    format!(":{}:{}", name.trim(), action(offer_of(value)))
                }
            };
            let gist = gist(&option.meaning);
            for name in names(option) {
                writeln!(text, "            '*{name}[{gist}]{value}' \\").unwrap();
            }
        }
        let offer = action(operand_offer(command));
        let rest = if offer.is_empty() { " " } else { offer };
        writeln!(text, "            '*:: :{rest}'\n        ;;").unwrap();
    }
    text + "    esac\n}\n\n_sprat \"$@\"\n"
}

/// For fish.
pub fn fish(commands: &[Help]) -> String {
    let mut text = format!("# fish completion for sprat: {NOTE}\n\ncomplete -c sprat -f\n");
    for command in commands {
        let (name, gist) = (&command.name, command.gist.replace('\'', ""));
        writeln!(
            text,
            "complete -c sprat -n __fish_use_subcommand -a {name} -d '{gist}'"
        )
        .unwrap();
    }
    for command in commands {
        let start = format!(
            "complete -c sprat -n '__fish_seen_subcommand_from {}'",
            command.name
        );
        match operand_offer(command) {
            Offer::Nothing => {}
            Offer::Files => writeln!(text, "{start} -F").unwrap(),
            Offer::Folders => writeln!(text, "{start} -a '(__fish_complete_directories)'").unwrap(),
            Offer::Commands => writeln!(text, "{start} -a '{}'", all_names(commands)).unwrap(),
        }
        for option in &command.options {
            let short = match option.short.strip_prefix('-') {
                Some(short) => format!(" -s {short}"),
                None => String::new(),
            };
            let value = match (option.value.as_str(), offer_of(&option.value)) {
                ("", _) => "",
                (_, Offer::Files) => " -r -F",
                (_, Offer::Folders) => " -x -a '(__fish_complete_directories)'",
                _ => " -x",
            };
            let (long, gist) = (option.long.trim_start_matches('-'), gist(&option.meaning));
            writeln!(text, "{start}{short} -l {long}{value} -d '{gist}'").unwrap();
        }
    }
    text
}
