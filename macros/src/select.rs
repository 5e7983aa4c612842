//! `select!`: waits for the first branch whose value fits its pattern, drops the others, runs its handler.
//!
//! Steps of the expansion, in tokio's order:
//! 1. the preconditions, from first to last; a false one sets its bit in `disabled`
//! 2. all futures, those of disabled branches too: evaluated from first to last, then pinned
//! 3. `poll_fn` polls round after round, until a value fits its pattern or every branch is disabled; the value leaves
//!    it inside `__FilchSelected`
//! 4. all futures are dropped
//! 5. `match` on `__FilchSelected` binds the pattern and runs the handler: outside of any closure, so that
//!    `return`, `break`, `?` and `.await` mean what they mean around the macro

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::{Block, Error, Expr, Ident, Pat, Result, Token, token};

use crate::args::Head;
use crate::branches::{future_name, made_at, number, pin_all, round};
use crate::captured::keep_whole;

/// One bit each in the widest word that `disabled` can be.
const MAX_BRANCHES: usize = 64;

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    match syn::parse2::<Select>(keep_whole(input)) {
        Ok(select) => select.expand(),
        Err(error) => error.into_compile_error(),
    }
}

struct Select {
    head: Head,
    branches: Vec<Branch>,
    otherwise: Option<Expr>,
}

struct Branch {
    pattern: Pat,
    future: Expr,
    precondition: Option<Expr>,
    handler: TokenStream,
}

impl Parse for Select {
    fn parse(input: ParseStream<'_>) -> Result<Select> {
        let head = input.parse()?;
        let mut branches = Vec::new();
        let mut otherwise = None;
        while !input.is_empty() {
            if input.peek(Token![else]) {
                otherwise = Some(parse_else(input)?);
                break;
            }
            if branches.len() == MAX_BRANCHES {
                let message = format!("select! takes no more than {MAX_BRANCHES} branches");
                return Err(input.error(message));
            }
            branches.push(input.parse()?);
        }
        if branches.is_empty() && otherwise.is_none() {
            return Err(Error::new(
                Span::call_site(),
                "select! needs at least one branch",
            ));
        }
        Ok(Select {
            head,
            branches,
            otherwise,
        })
    }
}

fn parse_else(input: ParseStream<'_>) -> Result<Expr> {
    input.parse::<Token![else]>()?;
    if !input.peek(Token![=>]) {
        return Err(input.error("expected `=>`: `else` has neither pattern nor precondition"));
    }
    input.parse::<Token![=>]>()?;
    let value = input.parse()?;
    input.parse::<Option<Token![,]>>()?;
    if !input.is_empty() {
        return Err(input.error("nothing may follow the `else` branch of select!"));
    }
    Ok(value)
}

impl Parse for Branch {
    fn parse(input: ParseStream<'_>) -> Result<Branch> {
        let pattern = Pat::parse_multi_with_leading_vert(input).map_err(|error| {
            let message =
                "expected a pattern: a branch of select! is `pattern = future => handler`";
            Error::new(error.span(), message)
        })?;
        // `=` alone: as a prefix it would be found in `=>` and `==` as well.
        if !input.peek(Token![=]) || input.peek(Token![=>]) || input.peek(Token![==]) {
            return Err(
                input.error("expected `=`: a branch of select! is `pattern = future => handler`")
            );
        }
        input.parse::<Token![=]>()?;
        let future = input.parse()?;
        let precondition = parse_precondition(input)?;
        if !input.peek(Token![=>]) {
            return Err(input.error(match precondition {
                None => "expected `=>` or `, if` after the future of a select! branch",
                Some(_) => "expected `=>` after the precondition of a select! branch",
            }));
        }
        input.parse::<Token![=>]>()?;
        Ok(Branch {
            pattern,
            future,
            precondition,
            handler: parse_handler(input)?,
        })
    }
}

fn parse_precondition(input: ParseStream<'_>) -> Result<Option<Expr>> {
    if input.peek(Token![if]) {
        return Err(input.error("expected `,` between the future and its precondition"));
    }
    if !(input.peek(Token![,]) && input.peek2(Token![if])) {
        return Ok(None);
    }
    input.parse::<Token![,]>()?;
    input.parse::<Token![if]>()?;
    if input.peek(Token![let]) {
        return Err(input.error("a precondition of select! is a `bool`, it cannot bind with `let`"));
    }
    input.parse().map(Some)
}

fn parse_handler(input: ParseStream<'_>) -> Result<TokenStream> {
    if input.peek(token::Brace) {
        let block: Block = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        return Ok(block.into_token_stream());
    }
    let handler: Expr = input.parse()?;
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(input.error("expected `,` after a handler that is no block"));
    }
    input.parse::<Option<Token![,]>>()?;
    Ok(handler.into_token_stream())
}

impl Select {
    fn expand(&self) -> TokenStream {
        let otherwise = self.otherwise();
        if self.branches.is_empty() {
            return quote! {{ #otherwise }};
        }
        let site = Span::mixed_site();
        let krate = &self.head.krate;
        let selected = selected();
        let kinds: Vec<Ident> = (0..self.branches.len()).map(kind).collect();
        let none_disabled = self.none_disabled();
        let preconditions = self.preconditions();
        let futures: Vec<&Expr> = self.branches.iter().map(|branch| &branch.future).collect();
        let pinned = pin_all(&futures, |_| None);
        let round = self.round();
        let patterns = self.branches.iter().map(|branch| &branch.pattern);
        let handlers = self.branches.iter().map(|branch| &branch.handler);
        quote_spanned! {site=>{
            enum #selected<#(#kinds),*> {
                #(#kinds(#kinds),)*
                Disabled,
            }
            #[allow(unused_mut)]
            let mut disabled = #none_disabled;
            #preconditions
            #[allow(unused_mut)]
            let mut selected = {
                #pinned
                #[allow(unreachable_code, unreachable_patterns, unused_variables, unused_mut)]
                let first = ::core::future::poll_fn(move |cx| {
                    if #krate::__private::poll_budget_available(cx).is_pending() {
                        return ::core::task::Poll::Pending;
                    }
                    let mut waiting = false;
                    #round
                    if waiting {
                        ::core::task::Poll::Pending
                    } else {
                        ::core::task::Poll::Ready(#selected::Disabled)
                    }
                });
                first.await
            };
            match selected {
                #(#selected::#kinds(#patterns) => #handlers,)*
                #selected::Disabled => #otherwise,
                #[allow(unreachable_patterns)]
                _ => ::core::unreachable!("the pattern has fitted before"),
            }
        }}
    }

    fn otherwise(&self) -> TokenStream {
        match &self.otherwise {
            Some(value) => value.into_token_stream(),
            None => quote_spanned! {Span::mixed_site()=>
                ::core::panic!("all branches are disabled and there is no else branch")
            },
        }
    }

    /// Zero, in the smallest word with a bit for each branch: it lives in the future.
    fn none_disabled(&self) -> Literal {
        match self.branches.len() {
            1..=8 => Literal::u8_suffixed(0),
            9..=16 => Literal::u16_suffixed(0),
            17..=32 => Literal::u32_suffixed(0),
            _ => Literal::u64_suffixed(0),
        }
    }

    fn preconditions(&self) -> TokenStream {
        let mut all = TokenStream::new();
        for (index, branch) in self.branches.iter().enumerate() {
            let Some(precondition) = &branch.precondition else {
                continue;
            };
            let bit = bit(index);
            all.extend(quote_spanned! {made_at(precondition)=>
                let enabled: ::core::primitive::bool = #precondition;
                if !enabled {
                    disabled |= #bit;
                }
            });
        }
        all
    }

    fn round(&self) -> TokenStream {
        let polls: Vec<TokenStream> = (0..self.branches.len()).map(|i| self.poll(i)).collect();

        let krate = &self.head.krate;
        let count = number(polls.len());
        let start = (!self.head.biased && polls.len() > 1).then(|| {
            quote_spanned! {Span::mixed_site()=> #krate::__private::thread_rng_n(#count) }
        });
        round(&polls, start)
    }

    fn poll(&self, index: usize) -> TokenStream {
        let Branch {
            pattern, future, ..
        } = &self.branches[index];
        let name = future_name(index, future);
        let bit = bit(index);
        let selected = selected();
        let kind = kind(index);
        // The guard says whether the pattern fits and never lets the arm run: nothing is moved out of `value`, and
        // the pattern needs no rewriting.
        quote_spanned! {made_at(future)=>
            if disabled & #bit == 0 {
                match ::core::future::Future::poll(#name.as_mut(), cx) {
                    ::core::task::Poll::Pending => waiting = true,
                    ::core::task::Poll::Ready(mut value) => {
                        disabled |= #bit;
                        let mut fits = false;
                        match value {
                            #pattern if { fits = true; false } => ::core::unreachable!(),
                            _ => {}
                        }
                        if fits {
                            return ::core::task::Poll::Ready(#selected::#kind(value));
                        }
                    }
                }
            }
        }
    }
}

/// The enum's name. Items have no hygiene: only an unlikely name keeps it out of the user's way.
fn selected() -> Ident {
    Ident::new("__FilchSelected", Span::mixed_site())
}

/// The variant of branch `index`, and the type parameter for its value.
fn kind(index: usize) -> Ident {
    format_ident!("Branch{}", index, span = Span::mixed_site())
}

fn bit(index: usize) -> Literal {
    Literal::u64_unsuffixed(1 << index)
}
