// The nodes that a template's program is rewritten into (template_meter.h): each is of the type that the interpreter
// looks for, counts before it runs, and keeps track of what was given. For this room only.
#pragma once

#include "given_text.h"
#include "template_meter.h"

#include <memory>
#include <utility>

namespace overfill::nodes {

using jinja::context;
using jinja::statement_ptr;
using jinja::statements;
using jinja::value;

class level {
  public:
    level() { template_budget::current().enter(); }
    ~level() { template_budget::current().leave(); }
    level(const level &) = delete;
    level & operator=(const level &) = delete;
};

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

// What a body writes, as one text.
value text_of(const statements & body, context & ctx);

// The body of a filter block, as what the filter is applied to.
struct text_block : jinja::expression {
    explicit text_block(statements && body) : body(std::move(body)) {}
    value execute_impl(context & ctx) const override { return text_of(body, ctx); }
    statements body;
};

// How a node runs under the budget.
template <class Node> value run(const Node & node, context & ctx) { return node.Node::execute_impl(ctx); }
value run(const jinja::array_literal & node, context & ctx);
value run(const jinja::tuple_literal & node, context & ctx);
value run(const jinja::object_literal & node, context & ctx);
value run(const jinja::binary_expression & node, context & ctx);
value run(const jinja::member_expression & node, context & ctx);
value run(const jinja::call_expression & node, context & ctx);
value run(const jinja::filter_expression & node, context & ctx);
value run(const jinja::test_expression & node, context & ctx);
value run(const jinja::set_statement & node, context & ctx);
value run(const jinja::call_statement & node, context & ctx);

// A node that counts, of the type that the interpreter looks for.
template <class Node> struct metered : Node {
    explicit metered(Node && node) : Node(std::move(node)) {}
    value execute_impl(context & ctx) const override {
        const level deeper;
        return run(static_cast<const Node &>(*this), ctx);
    }
};

}  // namespace overfill::nodes
