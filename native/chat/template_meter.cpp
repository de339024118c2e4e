#include "template_meter.h"

#include "metered_nodes.h"

#include <memory>
#include <utility>

namespace overfill {

using jinja::statement_ptr;
using jinja::statements;
using namespace nodes;

// The parsed tree is walked and destroyed on any stack.
static constexpr size_t max_nodes_deep = 500;

namespace {

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
