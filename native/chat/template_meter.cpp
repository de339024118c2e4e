#include "template_meter.h"

#include "given_text.h"

#include <memory>
#include <utility>
#include <vector>

namespace overfill {

using jinja::context;
using jinja::is_val;
using jinja::statement_ptr;
using jinja::statements;
using jinja::value;

// The parsed tree is walked and destroyed on any stack.
static constexpr size_t max_nodes_deep = 500;

namespace {

class level {
  public:
    level() { template_budget::current().enter(); }
    ~level() { template_budget::current().leave(); }
    level(const level &) = delete;
    level & operator=(const level &) = delete;
};

// A value that is known already, in place of the expression that made it.
struct known : jinja::expression {
    explicit known(value of) : of(std::move(of)) {}
    value execute_impl(context &) const override { return of; }
    value of;
};

statement_ptr make_known(value of) { return std::make_unique<known>(std::move(of)); }

// What stands in a body: its value becomes text, or a part of a text.
struct printed : jinja::statement {
    explicit printed(statement_ptr && inner) : inner(std::move(inner)) { pos = this->inner->pos; }
    std::string type() const override { return inner->type(); }
    value execute_impl(context & ctx) const override {
        const level deeper;
        value made = inner->execute(ctx);
        charge_value(template_budget::current(), made);
        return made;
    }
    statement_ptr inner;
};

// What stands at the top of a program: what it writes is taken down.
struct recorded : jinja::statement {
    recorded(statement_ptr && inner, bool first) : inner(std::move(inner)), first(first) { pos = this->inner->pos; }
    std::string type() const override { return inner->type(); }
    value execute_impl(context & ctx) const override {
        rendering_record * record = rendering_record::current();
        if (record && first) record->begin();
        value made = inner->execute(ctx);
        if (record) record->add(made);
        return made;
    }
    statement_ptr inner;
    bool first;
};

struct own_identifier : jinja::identifier {
    explicit own_identifier(jinja::identifier && of) : identifier(std::move(of)) {}
    value execute_impl(context & ctx) const override { return own_word(identifier::execute_impl(ctx)); }
};

// What a loop goes over: it copies the loop's variables for every item before the first one runs.
struct looped_over : jinja::expression {
    looped_over(statement_ptr && inner, size_t n_variables) : inner(std::move(inner)), n_variables(n_variables) {
        pos = this->inner->pos;
    }
    std::string type() const override { return inner->type(); }
    value execute_impl(context & ctx) const override {
        value items = inner->execute(ctx);
        template_budget::current().charge((items->val_arr.size() + items->val_obj.size()) * (10 + n_variables));
        return items;
    }
    statement_ptr inner;
    size_t n_variables;
};

value text_of(const statements & body, context & ctx) {
    auto parts = jinja::mk_val<jinja::value_array>();
    for (const statement_ptr & one : body) parts->push_back(one->execute(ctx));
    return jinja::runtime::gather_string_parts(parts);
}

// The body of a filter block, as what the filter is applied to.
struct text_block : jinja::expression {
    explicit text_block(statements && body) : body(std::move(body)) {}
    value execute_impl(context & ctx) const override { return text_of(body, ctx); }
    statements body;
};

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

template <class Node> value run(const Node & node, context & ctx) { return node.Node::execute_impl(ctx); }

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

// A node that counts, of the type that the interpreter looks for.
template <class Node> struct metered : Node {
    explicit metered(Node && node) : Node(std::move(node)) {}
    value execute_impl(context & ctx) const override {
        const level deeper;
        return run(static_cast<const Node &>(*this), ctx);
    }
};

class rewriting {
  public:
    void program(statements & list) {
        body(list);
        for (size_t i = 0; i < list.size(); i++) list[i] = std::make_unique<recorded>(std::move(list[i]), i == 0);
    }

  private:
    // Every body is a list of what is printed.
    void body(statements & list) {
        for (statement_ptr & one : list) {
            node(one);
            one = std::make_unique<printed>(std::move(one));
        }
    }

    void node(statement_ptr & of) {
        if (!of) return;
        if (++depth_ > max_nodes_deep) throw template_limit{ "the template nests too deeply" };
        statement(of) || expression(of);
        depth_--;
    }
    void nodes(statements & list) {
        for (statement_ptr & one : list) node(one);
    }

    template <class Node, class Inside> static bool replace(statement_ptr & of, Inside && inside) {
        auto * found = dynamic_cast<Node *>(of.get());
        if (!found) return false;
        inside(*found);
        of = std::make_unique<metered<Node>>(std::move(*found));
        return true;
    }

    // The name and the arguments of a filter, a test or a macro stay what they are; only the arguments are evaluated.
    void function(statement_ptr & of) {
        if (auto * call = dynamic_cast<jinja::call_expression *>(of.get())) nodes(call->args);
    }
    void parameters(statements & list) {
        for (statement_ptr & one : list)
            if (auto * pair = dynamic_cast<jinja::keyword_argument_expression *>(one.get())) node(pair->val);
    }

    bool statement(statement_ptr & of) {
        if (auto * found = dynamic_cast<jinja::filter_statement *>(of.get())) {
            auto text = std::make_unique<text_block>(std::move(found->body));
            text->pos = found->pos;
            auto same = std::make_unique<jinja::filter_expression>(std::move(text), std::move(found->filter));
            same->pos = found->pos;
            of = std::move(same);
        }
        return replace<jinja::if_statement>(of,
                                            [&](auto & found) {
                                                node(found.test);
                                                body(found.body);
                                                body(found.alternate);
                                            }) ||
               replace<jinja::for_statement>(of, [&](auto & found) { loop(found); }) ||
               replace<jinja::set_statement>(of,
                                             [&](auto & found) {
                                                 n_variables_++;
                                                 if (auto * to =
                                                         dynamic_cast<jinja::member_expression *>(found.assignee.get()))
                                                     node(to->object);
                                                 node(found.val);
                                                 body(found.body);
                                             }) ||
               replace<jinja::macro_statement>(of,
                                               [&](auto & found) {
                                                   n_variables_++;
                                                   parameters(found.args);
                                                   body(found.body);
                                               }) ||
               replace<jinja::call_statement>(of, [&](auto & found) {
                   if (auto * call = dynamic_cast<jinja::call_expression *>(found.call.get())) {
                       node(call->callee);
                       nodes(call->args);
                   }
                   parameters(found.caller_args);
                   body(found.body);
               });
    }

    void loop(jinja::for_statement & found) {
        n_variables_ += 2;
        auto * select = dynamic_cast<jinja::select_expression *>(found.iterable.get());
        if (select) node(select->test);
        statement_ptr & items = select ? select->lhs : found.iterable;
        node(items);
        items = std::make_unique<looped_over>(std::move(items), n_variables_);
        body(found.body);
        body(found.default_block);
    }

    bool expression(statement_ptr & of) {
        if (auto * id = dynamic_cast<jinja::identifier *>(of.get())) {
            if (id->val == "bos_token" || id->val == "eos_token") of = std::make_unique<own_identifier>(std::move(*id));
            return true;
        }
        if (auto * text = dynamic_cast<text_block *>(of.get())) {
            body(text->body);
            return true;
        }
        return replace<jinja::member_expression>(of,
                                                 [&](auto & found) {
                                                     node(found.object);
                                                     if (found.computed) node(found.property);
                                                 }) ||
               replace<jinja::call_expression>(of,
                                               [&](auto & found) {
                                                   node(found.callee);
                                                   nodes(found.args);
                                               }) ||
               replace<jinja::filter_expression>(of,
                                                 [&](auto & found) {
                                                     node(found.operand);
                                                     function(found.filter);
                                                 }) ||
               replace<jinja::test_expression>(of,
                                               [&](auto & found) {
                                                   node(found.operand);
                                                   function(found.test);
                                               }) ||
               operators(of) || literals(of);
    }

    bool operators(statement_ptr & of) {
        return replace<jinja::binary_expression>(of,
                                                 [&](auto & found) {
                                                     node(found.left);
                                                     node(found.right);
                                                 }) ||
               replace<jinja::unary_expression>(of, [&](auto & found) { node(found.argument); }) ||
               replace<jinja::select_expression>(of,
                                                 [&](auto & found) {
                                                     node(found.lhs);
                                                     node(found.test);
                                                 }) ||
               replace<jinja::ternary_expression>(of,
                                                  [&](auto & found) {
                                                      node(found.condition);
                                                      node(found.true_expr);
                                                      node(found.false_expr);
                                                  }) ||
               replace<jinja::keyword_argument_expression>(of, [&](auto & found) { node(found.val); });
    }

    bool literals(statement_ptr & of) {
        if (auto * slice = dynamic_cast<jinja::slice_expression *>(of.get())) {
            node(slice->start_expr);
            node(slice->stop_expr);
            node(slice->step_expr);
            return true;
        }
        return replace<jinja::array_literal>(of, [&](auto & found) { nodes(found.val); }) ||
               replace<jinja::tuple_literal>(of, [&](auto & found) { nodes(found.val); }) ||
               replace<jinja::object_literal>(of, [&](auto & found) {
                   for (auto & pair : found.val) {
                       node(pair.first);
                       node(pair.second);
                   }
               });
    }

    size_t depth_ = 0, n_variables_ = 0;
};

}  // namespace

void meter(jinja::program & program) { rewriting().program(program.body); }

}  // namespace overfill
