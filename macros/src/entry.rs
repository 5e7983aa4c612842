//! `#[main]` and `#[test]`: an async function becomes a plain one that builds a runtime and runs its body there.
//!
//! Whatever is wrong, the function is expanded as well as it can be and the error is put beside it: so an editor
//! still knows the function, and one mistake gives one message.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::{
    AttrStyle, Attribute, Error, Meta, Path, Result, ReturnType, Signature, Type, Visibility, token,
};

use crate::args::{Args, Flavor};
use crate::branches::made_at;
use crate::captured::keep_whole;

/// Which of the two attribute macros is at work.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Entry {
    Main,
    Test,
}

pub(crate) fn expand(entry: Entry, args: TokenStream, item: TokenStream) -> TokenStream {
    let item = keep_whole(item);
    let mut function: AsyncFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = error.into_compile_error();
            return quote! { #item #error };
        }
    };
    let checked = function.check(entry).and_then(|()| entry.parse_args(args));
    let (args, error) = match checked {
        Ok(args) => (args, None),
        Err(error) => {
            // A second test attribute would complain once more, of a function that is no longer async.
            function.attributes.retain(|attribute| !is_test(attribute));
            (Args::after_error(), Some(error.into_compile_error()))
        }
    };
    let function = function.into_blocking(entry, &args);
    quote! { #function #error }
}

impl Entry {
    fn parse_args(self, args: TokenStream) -> Result<Args> {
        match self {
            Entry::Main => Args::parse(args, "filch::main", Flavor::MultiThread),
            Entry::Test => Args::parse(args, "filch::test", Flavor::CurrentThread),
        }
    }
}

/// A function whose body stays tokens: it is only moved, and the compiler knows more syntax than syn.
struct AsyncFn {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    signature: Signature,
    braces: token::Brace,
    body: TokenStream,
}

impl Parse for AsyncFn {
    fn parse(input: ParseStream<'_>) -> Result<AsyncFn> {
        let mut attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input.parse()?;
        let content;
        let braces = syn::braced!(content in input);
        // The body becomes an async block, which may have no inner attributes.
        for mut attribute in content.call(Attribute::parse_inner)? {
            attribute.style = AttrStyle::Outer;
            attributes.push(attribute);
        }
        Ok(AsyncFn {
            attributes,
            visibility,
            signature,
            braces,
            body: content.parse()?,
        })
    }
}

impl AsyncFn {
    fn check(&self, entry: Entry) -> Result<()> {
        if self.signature.asyncness.is_none() {
            let message = "the `async` keyword is missing from the function declaration";
            return Err(Error::new_spanned(self.signature.fn_token, message));
        }
        match entry {
            Entry::Main if self.signature.ident == "main" && !self.signature.inputs.is_empty() => {
                let message = "the main function cannot accept arguments";
                Err(Error::new_spanned(&self.signature.inputs, message))
            }
            Entry::Test => match self.attributes.iter().find(|other| is_test(other)) {
                Some(second) => {
                    let message =
                        "this is a second test attribute, the test would run twice: remove one";
                    Err(Error::new_spanned(second, message))
                }
                None => Ok(()),
            },
            Entry::Main => Ok(()),
        }
    }

    fn into_blocking(mut self, entry: Entry, args: &Args) -> TokenStream {
        self.signature.asyncness = None;
        let body = self.future(entry);
        let runtime = builder(args);
        let mut block = TokenStream::new();
        self.braces.surround(&mut block, |block| {
            block.extend(quote_spanned! {Span::mixed_site()=>
                #body
                #runtime.block_on(body)
            });
        });
        let (attributes, visibility, signature) =
            (&self.attributes, &self.visibility, &self.signature);
        // Last, so that the attributes before it do not meet a test yet.
        let test = (entry == Entry::Test).then(|| quote! { #[::core::prelude::v1::test] });
        quote! { #(#attributes)* #test #visibility #signature #block }
    }

    /// Statements that make `body`, the future of what the user wrote.
    fn future(&self, entry: Entry) -> TokenStream {
        // Made braces where the user's are: theirs would be blamed as `unused_braces`. Of the call site, whose edition
        // says when temporaries of the last expression are dropped.
        let braces = token::Brace(Span::call_site().located_at(self.braces.span.join()));
        let mut block = TokenStream::new();
        braces.surround(&mut block, |block| block.extend(self.body.clone()));

        let (output, written_at) = match &self.signature.output {
            ReturnType::Default => (quote! { () }, made_at(&self.signature.ident)),
            ReturnType::Type(_, output) if can_be_written(output) => {
                (output.to_token_stream(), made_at(output))
            }
            ReturnType::Type(..) => {
                return quote_spanned! {Span::mixed_site()=> let body = async #block; };
            }
        };
        // An async block has no place for its type. The `return` that never runs tells the compiler what comes out
        // before it reads a line of the user's, so it finds a wrong type where the user wrote it.
        let body = quote_spanned! {written_at=>
            let body = async {
                if let ::core::option::Option::Some(never) = ::core::option::Option::None::<#output> {
                    return never;
                }
                #block
            };
        };
        match entry {
            Entry::Main => body,
            // Behind `dyn`, `block_on` is compiled once for each output type, not once for each test.
            Entry::Test => quote_spanned! {Span::mixed_site()=>
                #body
                let body = ::core::pin::pin!(body);
                let body: ::core::pin::Pin<&mut dyn ::core::future::Future<Output = #output>> = body;
            },
        }
    }
}

fn builder(args: &Args) -> TokenStream {
    let site = Span::mixed_site();
    let krate = match &args.krate {
        Some(path) => path.to_token_stream(),
        None => quote_spanned! {site=> ::filch },
    };
    let builder = match args.flavor {
        Flavor::CurrentThread | Flavor::Local => quote_spanned! {site=> new_current_thread() },
        Flavor::MultiThread => quote_spanned! {site=> new_multi_thread() },
    };
    let worker_threads = args.worker_threads.map(|threads| {
        quote_spanned! {site=> .worker_threads(#threads) }
    });
    let name = args.name.as_ref().map(|name| {
        quote_spanned! {site=> .name(#name) }
    });
    let start_paused = args.start_paused.map(|paused| {
        quote_spanned! {site=> .start_paused(#paused) }
    });
    let build = match args.flavor {
        Flavor::Local => {
            quote_spanned! {site=> build_local(::core::default::Default::default()) }
        }
        Flavor::CurrentThread | Flavor::MultiThread => quote_spanned! {site=> build() },
    };
    quote_spanned! {site=>
        #krate::runtime::Builder::#builder
            #worker_threads
            #name
            #start_paused
            .enable_all()
            .#build
            .expect("failed to build the filch runtime")
    }
}

/// Whether the type may stand inside a body: `!` and `impl Trait` may not.
fn can_be_written(output: &Type) -> bool {
    fn has_impl(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(word) => word == "impl",
            TokenTree::Group(group) => has_impl(group.stream()),
            _ => false,
        })
    }
    !matches!(output, Type::Never(_)) && !has_impl(output.to_token_stream())
}

/// `#[test]` by any of its names in the standard library, and our own.
fn is_test(attribute: &Attribute) -> bool {
    let Meta::Path(Path { segments, .. }) = &attribute.meta else {
        return false;
    };
    let names: Vec<String> = segments.iter().map(|part| part.ident.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    matches!(
        names[..],
        ["test"] | ["filch", "test"] | ["core" | "std", "prelude", _, "test"]
    )
}
