//! `join!` and `try_join!`: wait for all branches together, in one task.
//!
//! Each future is pinned inside a `MaybeDone`, which drops it when it is done and keeps its value. The first branch
//! polled moves on by one with each round (unless `biased;`), so that one branch that is greedy of the
//! task's time does not always come before the others.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, Ident, Result, Token};

use crate::args::Head;
use crate::branches::{future_name, number, path_at, pin_all, round};
use crate::captured::keep_whole;

/// When a join ends.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Until {
    AllDone,
    FirstErr,
}

pub(crate) fn expand(input: TokenStream, until: Until) -> TokenStream {
    match syn::parse2::<Join>(keep_whole(input)) {
        Ok(join) => join.expand(until),
        Err(error) => error.into_compile_error(),
    }
}

struct Join {
    head: Head,
    branches: Vec<Expr>,
}

impl Parse for Join {
    fn parse(input: ParseStream<'_>) -> Result<Join> {
        let head = input.parse()?;
        let mut branches = Vec::new();
        while !input.is_empty() {
            branches.push(input.parse()?);
            if !input.is_empty() && !input.peek(Token![,]) {
                return Err(input.error("expected `,` between two futures"));
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(Join { head, branches })
    }
}

impl Join {
    fn expand(&self, until: Until) -> TokenStream {
        let site = Span::mixed_site();
        if self.branches.is_empty() {
            let nothing = done(&quote_spanned! {site=> () }, until);
            return quote_spanned! {site=> ::core::future::ready(#nothing).await };
        }
        let krate = |span| path_at(&self.head.krate, span);
        let exprs: Vec<&Expr> = self.branches.iter().collect();
        let pinned = pin_all(&exprs, |span| {
            let krate = krate(span);
            Some(quote_spanned! {span=> #krate::__private::maybe_done })
        });
        let futures = exprs
            .iter()
            .enumerate()
            .map(|(index, expr)| future_name(index, expr));
        let futures: Vec<Ident> = futures.collect();

        let polls: Vec<TokenStream> = futures
            .iter()
            .map(|future| self.poll(future, until))
            .collect();
        let count = number(polls.len());
        let start = quote_spanned! {site=> {
            let start = turn;
            turn = (turn + 1) % #count;
            start
        }};
        let turns = !self.head.biased && polls.len() > 1;
        let turn = turns.then(|| quote_spanned! {site=> let mut turn = 0u32; });
        let round = round(&polls, turns.then_some(start));

        let take = match until {
            Until::AllDone => quote_spanned! {site=> take },
            Until::FirstErr => quote_spanned! {site=> take_ok },
        };
        let values = futures.iter().map(|future| {
            let krate = krate(future.span());
            quote_spanned! {future.span()=> #krate::__private::#take(#future.as_mut()) }
        });
        let values = done(&quote_spanned! {site=> (#(#values,)*) }, until);

        quote_spanned! {site=>{
            #pinned
            #turn
            #[allow(unreachable_code)]
            let all = ::core::future::poll_fn(move |cx| {
                let mut waiting = false;
                #round
                if waiting {
                    ::core::task::Poll::Pending
                } else {
                    ::core::task::Poll::Ready(#values)
                }
            });
            all.await
        }}
    }

    fn poll(&self, future: &Ident, until: Until) -> TokenStream {
        let span = future.span();
        let krate = path_at(&self.head.krate, span);
        let poll = quote_spanned! {span=>
            if ::core::future::Future::poll(#future.as_mut(), cx).is_pending() {
                waiting = true;
            }
        };
        let failed = quote_spanned! {span=>
            else if let ::core::option::Option::Some(error) =
                #krate::__private::take_err(#future.as_mut())
            {
                return ::core::task::Poll::Ready(::core::result::Result::Err(error));
            }
        };
        match until {
            Until::AllDone => poll,
            Until::FirstErr => quote_spanned! {span=> #poll #failed },
        }
    }
}

fn done(values: &TokenStream, until: Until) -> TokenStream {
    match until {
        Until::AllDone => values.clone(),
        Until::FirstErr => quote_spanned! {Span::mixed_site()=>
            ::core::result::Result::Ok(#values)
        },
    }
}
