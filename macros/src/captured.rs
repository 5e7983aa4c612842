//! Keeps whole what another macro captured: `!$condition` must not become `!a < b`.
//!
//! `macro_rules!` hands a captured expression on in a group without delimiters. The compiler forgets such a group when
//! a procedural macro gives it back (rust-lang/rust#67062), so the operators inside would mix with those outside.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::Expr;

/// The same tokens, with parentheses around each captured expression that operators outside could tear apart.
pub(crate) fn keep_whole(tokens: TokenStream) -> TokenStream {
    if !has_captured(&tokens) {
        return tokens;
    }
    let keep = |token| match token {
        TokenTree::Group(group) => TokenTree::Group(keep_group(&group)),
        other => other,
    };
    tokens.into_iter().map(keep).collect()
}

fn has_captured(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => {
            group.delimiter() == Delimiter::None || has_captured(&group.stream())
        }
        _ => false,
    })
}

fn keep_group(group: &Group) -> Group {
    let tokens = keep_whole(group.stream());
    let torn = group.delimiter() == Delimiter::None && can_be_torn(&tokens);
    let (delimiter, span) = match torn {
        // Of ours, not the user's, who would be told that these parentheses are unnecessary.
        true => (
            Delimiter::Parenthesis,
            Span::mixed_site().located_at(group.span()),
        ),
        false => (group.delimiter(), group.span()),
    };
    let mut kept = Group::new(delimiter, tokens);
    kept.set_span(span);
    kept
}

/// A captured pattern or type may look like such an expression, and may stand in parentheses as well. What may not, a
/// block, a path, an attribute, a `let`, is none of these.
fn can_be_torn(tokens: &TokenStream) -> bool {
    matches!(
        syn::parse2(tokens.clone()),
        Ok(Expr::Binary(_)
            | Expr::Cast(_)
            | Expr::Closure(_)
            | Expr::Range(_)
            | Expr::RawAddr(_)
            | Expr::Reference(_)
            | Expr::Unary(_))
    )
}
