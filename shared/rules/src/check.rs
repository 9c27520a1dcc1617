//! Names and types of a condition. Stricter than CEL asks: what could fail, or cost without bound, at run time is refused
//! when a document is applied.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators as op};

use crate::vocabulary::{COUNT, Scope, Type, kind_named, type_of};

/// What is wrong, and with which node.
pub(crate) struct Fault {
    pub(crate) node: u64,
    pub(crate) message: String,
}

fn fault<T>(node: u64, message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { node, message: message.into() })
}

/// The type of an expression. Selections such as `count.comment` become one name on the way.
pub(crate) fn check(expr: &mut IdedExpr, scope: Scope) -> Result<Type, Fault> {
    let node = expr.id;
    match &mut expr.expr {
        Expr::Literal(literal) => literal_type(node, literal),
        Expr::Ident(name) => match type_of(name, scope) {
            Some(of) => Ok(of),
            None if name == COUNT => fault(node, "`count` needs a kind: count.story_reply"),
            None => fault(node, format!("there is nothing called `{name}` here")),
        },
        Expr::Select(select) => {
            let counts = matches!(&select.operand.expr, Expr::Ident(name) if name == COUNT);
            if !counts || select.test {
                return fault(node, format!("`.{}` means nothing here: only `count` has parts", select.field));
            }
            if kind_named(&select.field).is_none() {
                return fault(node, format!("`{}` is no kind of interaction", select.field));
            }
            expr.expr = Expr::Ident(format!("{COUNT}.{}", select.field));
            Ok(Type::Int)
        }
        Expr::List(list) => {
            let mut types = Vec::new();
            for element in &mut list.elements {
                types.push(check(element, scope)?);
            }
            match types.first() {
                Some(Type::String) if types.iter().all(|of| *of == Type::String) => Ok(Type::Strings),
                Some(Type::Int) if types.iter().all(|of| *of == Type::Int) => Ok(Type::Ints),
                _ => fault(node, "a list holds texts alone, or whole numbers alone"),
            }
        }
        Expr::Call(call) => call_type(node, call, scope),
        Expr::Comprehension(_) => fault(node, "no loops: a condition has to cost the same for everybody"),
        Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => fault(node, "not allowed in a condition"),
    }
}

fn literal_type(node: u64, literal: &LiteralValue) -> Result<Type, Fault> {
    match literal {
        LiteralValue::Boolean(_) => Ok(Type::Bool),
        LiteralValue::Double(_) => Ok(Type::Double),
        LiteralValue::Int(_) => Ok(Type::Int),
        LiteralValue::String(_) => Ok(Type::String),
        LiteralValue::UInt(_) => fault(node, "write whole numbers without `u`"),
        LiteralValue::Bytes(_) | LiteralValue::Null => fault(node, "not allowed in a condition"),
    }
}

fn call_type(node: u64, call: &mut CallExpr, scope: Scope) -> Result<Type, Fault> {
    let name = call.func_name.clone();
    if let Some(target) = &mut call.target {
        return method_type(node, &name, check(target, scope)?, &mut call.args, scope);
    }
    let mut types = Vec::new();
    for argument in &mut call.args {
        types.push(check(argument, scope)?);
    }
    let shown = |types: &[Type]| types.iter().map(|of| of.as_str()).collect::<Vec<_>>().join(" and ");
    let refuse = |what: &str| fault(node, format!("{what}, not {}", shown(&types)));
    match (name.as_str(), types.as_slice()) {
        (op::LOGICAL_AND | op::LOGICAL_OR, [Type::Bool, Type::Bool]) | (op::LOGICAL_NOT, [Type::Bool]) => {
            Ok(Type::Bool)
        }
        (op::LOGICAL_AND | op::LOGICAL_OR | op::LOGICAL_NOT, _) => refuse("&&, || and ! join truth values"),
        (op::EQUALS | op::NOT_EQUALS, [a, b]) if a == b => Ok(Type::Bool),
        (op::EQUALS | op::NOT_EQUALS, _) => refuse("== and != compare two of one type"),
        (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, [a, b])
            if a == b && matches!(a, Type::Int | Type::Double | Type::String) =>
        {
            Ok(Type::Bool)
        }
        (
            op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS,
            [Type::Int, Type::Double] | [Type::Double, Type::Int],
        ) => refuse("compare int with int (3) and double with double (3.0)"),
        (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, _) => {
            refuse("< and > compare numbers or texts")
        }
        (op::ADD | op::SUBSTRACT | op::MULTIPLY, [Type::Double, Type::Double]) => Ok(Type::Double),
        (op::ADD | op::SUBSTRACT | op::MULTIPLY, [Type::Int, Type::Int]) => Ok(Type::Int),
        (op::ADD | op::SUBSTRACT | op::MULTIPLY, _) => refuse("+, - and * take two numbers of one type"),
        (op::DIVIDE | op::MODULO, [Type::Int, Type::Int] | [Type::Double, Type::Double]) => {
            divisor(call.args.get(1))?;
            if name == op::MODULO && types[0] == Type::Double { refuse("% takes whole numbers") } else { Ok(types[0]) }
        }
        (op::DIVIDE | op::MODULO, _) => refuse("/ takes two numbers of one type, and % two whole ones"),
        (op::NEGATE, [of @ (Type::Int | Type::Double)]) => Ok(*of),
        (op::CONDITIONAL, [Type::Bool, a, b]) if a == b => Ok(*a),
        (op::CONDITIONAL, _) => refuse("a ? b : c takes a truth value and two of one type"),
        (op::IN, [Type::String, Type::Strings] | [Type::Int, Type::Ints]) => Ok(Type::Bool),
        (op::IN, _) => refuse("`in` looks for a text in a list of texts, or for a whole number in a list of such"),
        ("double", [Type::Int | Type::Double]) => Ok(Type::Double),
        ("double", _) => refuse("double() takes a number"),
        _ => fault(node, format!("there is no function `{name}` here")),
    }
}

/// What is divided by has to be known, and not zero: a rule must not fail for one viewer of a million.
fn divisor(argument: Option<&IdedExpr>) -> Result<(), Fault> {
    let Some(argument) = argument else { return Ok(()) };
    match &argument.expr {
        Expr::Literal(LiteralValue::Int(number)) if *number.inner() != 0 => Ok(()),
        Expr::Literal(LiteralValue::Double(number)) if *number.inner() != 0.0 => Ok(()),
        Expr::Literal(_) => fault(argument.id, "division by zero"),
        _ => fault(argument.id, "divide by a number that stands here: anything else may be zero"),
    }
}

fn method_type(node: u64, name: &str, target: Type, args: &mut [IdedExpr], scope: Scope) -> Result<Type, Fault> {
    let mut types = Vec::new();
    for argument in args {
        types.push(check(argument, scope)?);
    }
    match (name, target, types.as_slice()) {
        ("contains" | "startsWith" | "endsWith", Type::String, [Type::String]) => Ok(Type::Bool),
        ("contains" | "startsWith" | "endsWith", ..) => fault(node, format!("{name}() looks for a text in a text")),
        _ => fault(node, format!("there is no function `{name}` here")),
    }
}
