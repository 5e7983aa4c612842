//! What a macro is told besides the code it works on: the arguments of `#[main]` and `#[test]`, and what stands
//! before the branches of `select!` and the joins.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Error, Ident, Lit, LitInt, LitStr, Path, Result, Token};

/// The runtime an attribute macro builds.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Flavor {
    CurrentThread,
    MultiThread,
    Local,
}

/// The arguments of an attribute macro, checked against each other.
pub(crate) struct Args {
    pub(crate) flavor: Flavor,
    pub(crate) worker_threads: Option<usize>,
    /// The runtime's.
    pub(crate) name: Option<LitStr>,
    pub(crate) start_paused: Option<bool>,
    pub(crate) krate: Option<Path>,
}

const NAMES: &str = "one of `flavor`, `worker_threads`, `name`, `start_paused`, `crate`";

impl Args {
    /// What to expand with when the arguments are wrong: the error alone should meet the user's eye.
    pub(crate) fn after_error() -> Args {
        Args {
            flavor: Flavor::CurrentThread,
            worker_threads: None,
            name: None,
            start_paused: None,
            krate: None,
        }
    }

    /// Reads `name = value` pairs; `attribute` is how the user names the macro, for the errors.
    pub(crate) fn parse(tokens: TokenStream, attribute: &str, flavor: Flavor) -> Result<Args> {
        let mut given = Given::default();
        let pairs = |input: ParseStream<'_>| {
            while !input.is_empty() {
                given.take_pair(input, attribute)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        pairs.parse2(tokens)?;

        let flavor = given.flavor.unwrap_or(flavor);
        if let (Flavor::CurrentThread | Flavor::Local, Some((_, literal))) =
            (flavor, &given.worker_threads)
        {
            let message = format!(
                "`worker_threads` needs the `multi_thread` flavor: \
                 #[{attribute}(flavor = \"multi_thread\", worker_threads = {literal})]"
            );
            return Err(Error::new(literal.span(), message));
        }
        Ok(Args {
            flavor,
            worker_threads: given.worker_threads.map(|(threads, _)| threads),
            name: given.name,
            start_paused: given.start_paused,
            krate: given.krate,
        })
    }
}

#[derive(Default)]
struct Given {
    flavor: Option<Flavor>,
    worker_threads: Option<(usize, LitInt)>,
    name: Option<LitStr>,
    start_paused: Option<bool>,
    krate: Option<Path>,
}

impl Given {
    fn take_pair(&mut self, input: ParseStream<'_>, attribute: &str) -> Result<()> {
        // `crate` is a keyword, which `Ident` alone refuses.
        if !input.peek(Ident::peek_any) {
            return Err(input.error(format!("expected `name = value` with {NAMES}")));
        }
        let name = input.call(Ident::parse_any)?;
        let text = name.to_string();
        match text.as_str() {
            "flavor" => {
                let value = value_of(&name, input, self.flavor.is_some())?;
                self.flavor = Some(flavor(value)?);
            }
            "worker_threads" => {
                let value = value_of(&name, input, self.worker_threads.is_some())?;
                self.worker_threads = Some(worker_threads(value)?);
            }
            "name" => {
                let value = value_of(&name, input, self.name.is_some())?;
                self.name = Some(runtime_name(value)?);
            }
            "start_paused" => {
                let value = value_of(&name, input, self.start_paused.is_some())?;
                self.start_paused = Some(start_paused(value)?);
            }
            "crate" => {
                let value = value_of(&name, input, self.krate.is_some())?;
                self.krate = Some(path(value)?);
            }
            "multi_thread" | "current_thread" | "local" => {
                let message = format!("name the flavor with #[{attribute}(flavor = \"{text}\")]");
                return Err(Error::new(name.span(), message));
            }
            _ => {
                let message = format!("unknown attribute argument `{text}`, expected {NAMES}");
                return Err(Error::new(name.span(), message));
            }
        }
        Ok(())
    }
}

fn value_of(name: &Ident, input: ParseStream<'_>, again: bool) -> Result<Lit> {
    if again {
        return Err(Error::new(name.span(), format!("`{name}` is set twice")));
    }
    if !input.peek(Token![=]) {
        let message = format!("`{name}` needs a value: `{name} = ...`");
        return Err(Error::new(name.span(), message));
    }
    input.parse::<Token![=]>()?;
    if !input.peek(Lit) {
        return Err(input.error(format!("the value of `{name}` must be a literal")));
    }
    input.parse()
}

fn flavor(value: Lit) -> Result<Flavor> {
    let value = string(value, "flavor")?;
    match value.value().as_str() {
        "current_thread" => Ok(Flavor::CurrentThread),
        "multi_thread" => Ok(Flavor::MultiThread),
        "local" => Ok(Flavor::Local),
        other => {
            let message = format!(
                "unknown runtime flavor `{other}`, expected `multi_thread`, `current_thread` or `local`"
            );
            Err(Error::new(value.span(), message))
        }
    }
}

fn worker_threads(value: Lit) -> Result<(usize, LitInt)> {
    let Lit::Int(value) = value else {
        let message = "the value of `worker_threads` must be an integer";
        return Err(Error::new(value.span(), message));
    };
    match value.base10_parse() {
        Ok(0) => Err(Error::new(value.span(), "`worker_threads` may not be 0")),
        Ok(threads) => Ok((threads, value)),
        Err(why) => {
            let message = format!("the value of `worker_threads` does not fit: {why}");
            Err(Error::new(value.span(), message))
        }
    }
}

fn runtime_name(value: Lit) -> Result<LitStr> {
    let value = string(value, "name")?;
    if value.value().is_empty() {
        return Err(Error::new(value.span(), "`name` may not be empty"));
    }
    Ok(value)
}

fn start_paused(value: Lit) -> Result<bool> {
    match value {
        Lit::Bool(value) => Ok(value.value),
        other => {
            let message = "the value of `start_paused` must be `true` or `false`";
            Err(Error::new(other.span(), message))
        }
    }
}

fn path(value: Lit) -> Result<Path> {
    let value = string(value, "crate")?;
    value.parse().map_err(|_| {
        let message = format!("the value of `crate` is not a path: \"{}\"", value.value());
        Error::new(value.span(), message)
    })
}

fn string(value: Lit, name: &str) -> Result<LitStr> {
    match value {
        Lit::Str(value) => Ok(value),
        other => {
            let message = format!("the value of `{name}` must be a string");
            Err(Error::new(other.span(), message))
        }
    }
}

/// What stands before the branches: `(path of the filch crate)`, put there by the facade, and the user's `biased;`.
pub(crate) struct Head {
    pub(crate) krate: TokenStream,
    pub(crate) biased: bool,
}

impl Parse for Head {
    fn parse(input: ParseStream<'_>) -> Result<Head> {
        let path;
        syn::parenthesized!(path in input);
        // Kept as tokens: `$crate` is no path that syn could read.
        let krate = path.parse()?;
        let biased = input.peek(biased) && input.peek2(Token![;]);
        if biased {
            input.parse::<biased>()?;
            input.parse::<Token![;]>()?;
        }
        Ok(Head { krate, biased })
    }
}

syn::custom_keyword!(biased);
