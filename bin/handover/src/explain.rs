//! `handover explain`: what an instance's settings come to and where each stands, or what a lint means.
//!
//! Nothing is asked of the machine. [`settings`] says where each value comes from, [`picture`] holds everything there
//! is to say of an instance (and is the JSON), [`words`] prints it.

mod picture;
mod settings;
mod words;

use std::path::PathBuf;

use argh::FromArgs;
use service::{Exit, Failure};

use self::picture::Picture;

/// How many names an answer lists.
const MAX_NAMES: usize = 20;

/// Explain an instance: its settings and where each comes from, its times, what failures make of its priority, its hooks.
///
/// Given the ID of a lint of 'handover check', explain that: why it hurts, an example, the cure. Without a name, list those IDs.
#[derive(Debug, FromArgs)]
#[argh(
    subcommand,
    name = "explain",
    help_triggers("-h", "--help"),
    example = "handover explain web -f /etc/keepalived/keepalived.conf",
    example = "handover explain weight-never-moves"
)]
pub(crate) struct ExplainArguments {
    /// the configuration file (default: /etc/handover/handover.conf, else /etc/keepalived/keepalived.conf)
    #[argh(option, short = 'f', arg_name = "FILE")]
    config: Option<PathBuf>,

    /// the name that @NAME lines of the configuration are for (default: the host's, up to the first dot)
    #[argh(option, short = 'i', arg_name = "ID")]
    config_id: Option<String>,

    /// an instance as one JSON object
    #[argh(switch)]
    json: bool,

    /// an instance, or the ID of a lint
    #[argh(positional, arg_name = "name")]
    name: Option<String>,

    /// accepted by all programs; not needed here
    #[argh(option, arg_name = "DIR")]
    #[allow(dead_code, reason = "all five programs share these two options")]
    runtime_dir: Option<PathBuf>,
}

/// Explains what is asked.
///
/// # Errors
/// [`Exit::Failed`] (status 1) when nothing is called so, or the file is no configuration.
pub(crate) fn run(arguments: &ExplainArguments) -> Result<(), Failure> {
    let Some(name) = &arguments.name else {
        crate::say(&lints());
        return Ok(());
    };
    if let (None, Some(page)) = (&arguments.config, lint::page(name)) {
        crate::say(&page.markdown(1));
        return Ok(());
    }
    let path = service::config_path(arguments.config.clone());
    let config::Loaded { config, report, .. } =
        config::load_as(&path, &service::config_id(arguments.config_id.clone()));
    // Warnings are `handover check`'s: here they would hide the answer.
    let Some(config) = config else {
        let message = format!("{} is not valid; 'handover check -f {0}' shows where", path.display());
        return Err(Failure::new(Exit::Failed, message));
    };
    let Some(instance) = config.instances.iter().find(|instance| instance.name.as_str() == name) else {
        let names = config.instances.iter().map(|instance| instance.name.as_str());
        let known = names.take(MAX_NAMES).collect::<Vec<_>>().join(", ");
        let message = format!(
            "no instance of {} is called {name:?}: it has {known}. ('handover explain' alone lists the lints)",
            path.display()
        );
        return Err(Failure::new(Exit::Failed, message));
    };
    let picture = Picture::new(&config, &report, instance);
    crate::say(&if arguments.json { picture.json() } else { words::render(&picture) });
    Ok(())
}

/// Every lint, a line each.
fn lints() -> String {
    let width = lint::PAGES.iter().map(|page| page.id.len()).max().unwrap_or_default();
    let line =
        |page: &&lint::Page| format!("{:width$}  {:7}  {}\n", page.id, page.severity.as_str(), page.summary);
    lint::PAGES.iter().map(line).collect()
}
