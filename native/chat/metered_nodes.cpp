#include "metered_nodes.h"

#include <stdexcept>
#include <vector>

namespace overfill::nodes {

using jinja::is_val;

value text_of(const statements & body, context & ctx) {
    auto parts = jinja::mk_val<jinja::value_array>();
    for (const statement_ptr & one : body) parts->push_back(one->execute(ctx));
    return jinja::runtime::gather_string_parts(parts);
}

namespace {

// A value that is known already, in place of the expression that made it.
struct known : jinja::expression {
    explicit known(value of) : of(std::move(of)) {}
    value execute_impl(context &) const override { return of; }
    value of;
};

statement_ptr make_known(value of) { return std::make_unique<known>(std::move(of)); }

// A new text counts with its length.
value counted(value made) {
    if (!is_val<jinja::value_string>(made)) return made;
    uint64_t n_bytes = 0;
    for (const auto & part : made->val_str.parts) n_bytes += part.val.size();
    if (n_bytes > max_template_text) throw template_limit{ "the template makes a text that is too long" };
    template_budget::current().charge_text(n_bytes);
    template_budget::current().charge(made->val_str.parts.size());
    return made;
}

// The arguments as values, for the checks, and as expressions, for the interpreter.
struct call_values {
    std::vector<value> all;
    statements known;

    void add(const value & first) { all.push_back(first); }
    void evaluate(const statements & arguments, context & ctx) {
        for (const statement_ptr & argument : arguments) {
            all.push_back(argument->execute(ctx));
            known.push_back(make_known(all.back()));
        }
    }
};

// The name of a filter or a test, and its arguments as known values.
statement_ptr with_known_arguments(const statement_ptr & function, std::string & name, call_values & arguments,
                                   context & ctx) {
    const auto * call = jinja::cast_stmt<jinja::call_expression>(function);
    const auto * id = jinja::cast_stmt<jinja::identifier>(call ? call->callee : function);
    if (!id) throw std::runtime_error("a filter or test must be a name");
    name = id->val;
    auto same = std::make_unique<jinja::identifier>(id->val);
    if (!call) return same;
    arguments.evaluate(call->args, ctx);
    return std::make_unique<jinja::call_expression>(std::move(same), std::move(arguments.known));
}

}  // namespace

value run(const jinja::array_literal & node, context & ctx) {
    value made = node.jinja::array_literal::execute_impl(ctx);
    charge_value(template_budget::current(), made);
    return made;
}

value run(const jinja::tuple_literal & node, context & ctx) {
    value made = node.jinja::tuple_literal::execute_impl(ctx);
    charge_value(template_budget::current(), made);
    return made;
}

value run(const jinja::object_literal & node, context & ctx) {
    value made = node.jinja::object_literal::execute_impl(ctx);
    charge_value(template_budget::current(), made);
    return made;
}

value run(const jinja::binary_expression & node, context & ctx) {
    const std::string & op = node.op.value;
    if (op == "and" || op == "or") return node.jinja::binary_expression::execute_impl(ctx);
    const value left = node.left->execute(ctx), right = node.right->execute(ctx);
    if (op == "*") {
        const bool text_first = is_val<jinja::value_string>(left);
        const value & text = text_first ? left : right;
        const value & times = text_first ? right : left;
        if (is_val<jinja::value_string>(text) && is_val<jinja::value_int>(times))
            check_repetition(template_budget::current(), text, times->val_int);
    } else if (op == "==" || op == "!=" || op == "in" || op == "not in") {
        check_builtin(template_budget::current(), "in", { left, right });
    } else {
        check_builtin(template_budget::current(), op, { left, right });
    }
    return counted(jinja::binary_expression(node.op, make_known(left), make_known(right))
                       .jinja::binary_expression::execute_impl(ctx));
}

value run(const jinja::member_expression & node, context & ctx) {
    value made = node.jinja::member_expression::execute_impl(ctx);
    const auto * id = jinja::cast_stmt<jinja::identifier>(node.property);
    const auto * text = jinja::cast_stmt<jinja::string_literal>(node.property);
    const bool is_role = node.computed ? text && text->val == "role" : id && id->val == "role";
    return is_role ? own_word(std::move(made)) : made;
}

value run(const jinja::call_expression & node, context & ctx) {
    call_values arguments;
    arguments.evaluate(node.args, ctx);
    const value callee = node.callee->execute(ctx);
    value source;
    if (is_val<jinja::value_func>(callee)) {
        const auto & function = static_cast<const jinja::value_func_t &>(*callee);
        if (function.arg0) arguments.all.insert(arguments.all.begin(), function.arg0);
        check_builtin(template_budget::current(), function.name, arguments.all);
        source = function.arg0;
    }
    return made_of(source, counted(jinja::call_expression(make_known(callee), std::move(arguments.known))
                                       .jinja::call_expression::execute_impl(ctx)));
}

value run(const jinja::filter_expression & node, context & ctx) {
    call_values arguments;
    std::string name;
    arguments.add(node.operand->execute(ctx));
    statement_ptr filter = with_known_arguments(node.filter, name, arguments, ctx);
    check_builtin(template_budget::current(), name, arguments.all);
    return made_of(arguments.all[0], counted(jinja::filter_expression(make_known(arguments.all[0]), std::move(filter))
                                                 .jinja::filter_expression::execute_impl(ctx)));
}

value run(const jinja::test_expression & node, context & ctx) {
    call_values arguments;
    std::string name;
    arguments.add(node.operand->execute(ctx));
    statement_ptr test = with_known_arguments(node.test, name, arguments, ctx);
    check_builtin(template_budget::current(), name, arguments.all);
    return jinja::test_expression(make_known(arguments.all[0]), node.negate, std::move(test))
        .jinja::test_expression::execute_impl(ctx);
}

// A value may become part of an object, but not of itself.
value run(const jinja::set_statement & node, context & ctx) {
    const auto * member = jinja::cast_stmt<jinja::member_expression>(node.assignee);
    const auto * property = member ? jinja::cast_stmt<jinja::identifier>(member->property) : nullptr;
    if (!property || member->computed) return node.jinja::set_statement::execute_impl(ctx);
    const value made = node.val ? node.val->execute(ctx) : text_of(node.body, ctx);
    const value object = member->object->execute(ctx);
    check_builtin(template_budget::current(), "append", { object, made });
    auto target = std::make_unique<jinja::member_expression>(make_known(object),
                                                             std::make_unique<jinja::identifier>(property->val), false);
    return jinja::set_statement(std::move(target), make_known(made), {}).jinja::set_statement::execute_impl(ctx);
}

// {% call %} is for macros; a built-in function would run unchecked.
value run(const jinja::call_statement & node, context & ctx) {
    const auto * call = jinja::cast_stmt<jinja::call_expression>(node.call);
    const value callee = call ? call->callee->execute(ctx) : value();
    if (callee && is_val<jinja::value_func>(callee)) {
        const auto & function = static_cast<const jinja::value_func_t &>(*callee);
        if (function.arg0 || jinja::global_builtins().count(function.name) > 0)
            throw std::runtime_error("a call block calls macros only");
    }
    return node.jinja::call_statement::execute_impl(ctx);
}

}  // namespace overfill::nodes
