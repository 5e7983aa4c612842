//! What `select!` and the joins share: branch futures pinned where they stand, and one round of polls over them.
//!
//! Locals have mixed-site hygiene: the user's code can neither see nor shadow them. Items and types have none, so all
//! paths are absolute and numbers carry their type as a suffix.

use proc_macro2::{Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Ident};

/// The span for made code: our names, shown to the user at `tokens` if they are to blame.
pub(crate) fn made_at(tokens: &impl ToTokens) -> Span {
    Span::mixed_site().located_at(tokens.span())
}

/// The name of branch `index`'s pinned future.
pub(crate) fn future_name(index: usize, expr: &Expr) -> Ident {
    format_ident!("future{}", index, span = made_at(expr))
}

/// Statements that evaluate the expressions from first to last, make each value a future in the same order, and pin
/// these on the stack under [`future_name`], each inside `wrap(...)`.
pub(crate) fn pin_all(exprs: &[&Expr], wrap: impl Fn(Span) -> Option<TokenStream>) -> TokenStream {
    let branches = || {
        exprs
            .iter()
            .enumerate()
            .map(|(index, expr)| (future_name(index, expr), expr))
    };
    // A `let` of its own, before any call: so `&mut make()` may borrow a temporary that lives on.
    let evaluate = branches().map(|(name, expr)| {
        quote_spanned! {name.span()=> let #name = #expr; }
    });
    let convert = branches().map(|(name, _)| {
        quote_spanned! {name.span()=> let #name = ::core::future::IntoFuture::into_future(#name); }
    });
    // Locals are dropped in reverse: pinned from last to first, the futures are dropped from first to last.
    let pin = branches().rev().map(|(name, _)| {
        let wrap = wrap(name.span());
        quote_spanned! {name.span()=> let mut #name = ::core::pin::pin!(#wrap(#name)); }
    });
    evaluate.chain(convert).chain(pin).collect()
}

/// Each of `polls` once: from the first down, or from branch `start` around to the one before it.
pub(crate) fn round(polls: &[TokenStream], start: Option<TokenStream>) -> TokenStream {
    let site = Span::mixed_site();
    let Some(start) = start else {
        return quote_spanned! {site=> #(#polls)* };
    };
    let count = number(polls.len());
    let index = (0..polls.len()).map(number);
    quote_spanned! {site=>
        let start = #start;
        for step in 0..#count {
            match (start + step) % #count {
                #(#index => { #polls })*
                _ => ::core::unreachable!(),
            }
        }
    }
}

/// How many branches, or which one, as the `u32` of [`round`].
pub(crate) fn number(branch: usize) -> Literal {
    Literal::u32_suffixed(u32::try_from(branch).expect("fewer than 2^32 branches"))
}

/// The path of filch, seen at `span` if what follows it is to blame.
pub(crate) fn path_at(krate: &TokenStream, span: Span) -> TokenStream {
    let seen_there = |mut token: TokenTree| {
        token.set_span(token.span().located_at(span));
        token
    };
    krate.clone().into_iter().map(seen_there).collect()
}
