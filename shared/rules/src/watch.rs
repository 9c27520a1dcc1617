//! When a condition may change without anything happening: time passes, scores fade.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators as op};

use crate::vocabulary::{Scope, Type, type_of};

/// Something that a condition waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Watch {
    /// A number that changes with time crosses a constant.
    Crossing {
        /// The number's name.
        name: String,
        /// The constant.
        at: f64,
    },
    /// Time plays a part that cannot be foreseen: look again regularly.
    Regularly,
}

/// All that a checked condition waits for.
pub(crate) fn watches(expr: &IdedExpr) -> Vec<Watch> {
    let mut found = Vec::new();
    collect(expr, &mut found);
    found
}

fn is_timed(name: &str) -> bool {
    type_of(name, Scope::Play) == Some(Type::Double)
}

fn collect(expr: &IdedExpr, found: &mut Vec<Watch>) {
    match &expr.expr {
        Expr::Ident(name) if is_timed(name) => found.push(Watch::Regularly),
        Expr::List(list) => list.elements.iter().for_each(|element| collect(element, found)),
        Expr::Call(call) => {
            if let Some(crossing) = crossing(call) {
                found.push(crossing);
                return;
            }
            call.target.iter().for_each(|target| collect(target, found));
            call.args.iter().for_each(|argument| collect(argument, found));
        }
        _ => {}
    }
}

fn crossing(call: &CallExpr) -> Option<Watch> {
    if !matches!(call.func_name.as_str(), op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS) {
        return None;
    }
    let [left, right] = call.args.as_slice() else { return None };
    let (
        (Expr::Ident(name), Expr::Literal(LiteralValue::Double(number)))
        | (Expr::Literal(LiteralValue::Double(number)), Expr::Ident(name)),
    ) = ((&left.expr, &right.expr),)
    else {
        return None;
    };
    is_timed(name).then(|| Watch::Crossing { name: name.clone(), at: *number.inner() })
}
