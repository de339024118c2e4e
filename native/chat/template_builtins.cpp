#include "template_meter.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace overfill {

using jinja::is_val;
using jinja::value;

static constexpr uint32_t max_value_depth = 200;
static constexpr double max_items = 1e6;

static uint64_t text_size(const value & of) {
    uint64_t n = 0;
    for (const auto & part : of->val_str.parts) n += part.val.size();
    return n;
}

static void charge_at(template_budget & budget, const value & of, const jinja::value_t * inside, uint32_t depth) {
    if (!of) return;
    if (depth > max_value_depth) throw template_limit{ "the template nests values too deeply" };
    if (of.get() == inside) throw template_limit{ "the template puts a value into itself" };
    budget.charge(1 + of->val_str.parts.size() + text_size(of) / 256);
    for (const value & item : of->val_arr) charge_at(budget, item, inside, depth + 1);
    for (const auto & pair : of->val_obj) {
        charge_at(budget, pair.first, inside, depth + 1);
        charge_at(budget, pair.second, inside, depth + 1);
    }
    if (is_val<jinja::value_kwarg>(of))
        charge_at(budget, static_cast<const jinja::value_kwarg_t *>(of.get())->val, inside, depth + 1);
}

void charge_value(template_budget & budget, const value & of, const jinja::value_t * inside) {
    charge_at(budget, of, inside, 0);
}

namespace {

// The arguments of one call, and the checks of single functions.
class builtin_call {
  public:
    builtin_call(template_budget & budget, const std::vector<value> & arguments)
        : budget_(budget), arguments_(arguments) {}

    void check_range() const {
        std::vector<double> numbers;
        for (const value & one : arguments_) numbers.push_back((double) one->val_int);
        if (numbers.empty() || numbers.size() > 3) return;
        const double start = numbers.size() > 1 ? numbers[0] : 0, stop = numbers.size() > 1 ? numbers[1] : numbers[0],
                     step = numbers.size() > 2 ? numbers[2] : 1;
        // Beyond 2^53 the loop's counter could overflow.
        for (const double number : { start, stop, step })
            if (!(std::fabs(number) <= 9e15)) throw template_limit{ "the template counts too far" };
        if (step != 0) budget_.charge(10 * items((stop - start) / step));
    }

    // A remainder by zero, and the one by -1 that overflows, end the process.
    void check_divisor(size_t at) const {
        if (at >= arguments_.size()) return;
        const int64_t divisor = arguments_[at]->val_int;
        if (is_val<jinja::value_int>(arguments_[at]) && (divisor == 0 || divisor == -1))
            throw std::runtime_error("divisibleby " + std::to_string(divisor));
    }

    void check_selection() const {
        for (const value & one : arguments_)
            if (is_val<jinja::value_string>(one) && one->val_str.str() == "divisibleby")
                check_divisor(arguments_.size() - 1);
        search(item_bytes(), bytes(arguments_.size() - 1));
    }

    // Every occurrence moves the rest of the text.
    void check_split() const { find_all(std::max<double>(bytes(1), 1)); }

    void check_replace() const {
        const double old = bytes(1), found = old == 0 ? bytes(0) + 1 : bytes(0) / old;
        text(bytes(0) + found * bytes(2));
        if (old > 0) find_all(old);
    }

    void check_indent() const {
        double lines = 1;
        for (const auto & part : arguments_[0]->val_str.parts)
            lines += (double) std::count(part.val.begin(), part.val.end(), '\n');
        text(bytes(0) + lines * width("width", 1));
    }

    void check_join() const {
        double n_bytes = 0;
        for (const value & item : arguments_[0]->val_arr) {
            charge_value(budget_, item);
            n_bytes += item_size(item);
        }
        text(n_bytes + (double) arguments_[0]->val_arr.size() * width("d", 1));
    }

    // As JSON or as text: indented at every level, with separators of the template's own.
    void check_print() const {
        charge_value(budget_, arguments_[0]);
        double between = 4;
        for (size_t i = 1; i < arguments_.size(); i++) between += widest(arguments_[i]);
        text(printed_size(arguments_[0], between, 1));
    }

    void check_membership() const {
        for (const value & one : arguments_) charge_value(budget_, one);
        search(bytes(0), bytes(1));
    }

    // std::sort reads past the end where the order contradicts itself, as it does between kinds and with NaN.
    void check_list_order() const {
        const value attribute = named("attribute", 3);
        std::vector<value> keys;
        for (const value & item : arguments_[0]->val_arr) keys.push_back(key_of(item, attribute));
        check_order(keys);
    }
    void check_object_order() const {
        const value by = named("by", 2);
        const bool by_value = by && is_val<jinja::value_string>(by) && by->val_str.str() == "value";
        std::vector<value> keys;
        for (const auto & pair : arguments_[0]->val_obj) keys.push_back(by_value ? pair.second : pair.first);
        check_order(keys);
    }

    void check_append() const {
        if (arguments_.size() > 1) charge_value(budget_, arguments_[1], arguments_[0].get());
        budget_.charge(100);
    }

  private:
    double bytes(size_t at) const { return at < arguments_.size() ? (double) text_size(arguments_[at]) : 0; }

    static double item_size(const value & item) {
        double n = 32 + (double) text_size(item);
        for (const value & inner : item->val_arr) n += (double) text_size(inner);
        for (const auto & pair : item->val_obj) n += (double) text_size(pair.second);
        return n;
    }
    double item_bytes() const {
        double n = 0;
        for (const value & item : arguments_[0]->val_arr) n += item_size(item);
        return n;
    }

    value named(const char * key, size_t at) const {
        for (const value & one : arguments_)
            if (is_val<jinja::value_kwarg>(one)) {
                const auto * pair = static_cast<const jinja::value_kwarg_t *>(one.get());
                if (pair->key == key) return pair->val;
            }
        return at < arguments_.size() && !is_val<jinja::value_kwarg>(arguments_[at]) ? arguments_[at] : value();
    }

    // A width in spaces, or a text.
    double width(const char * key, size_t at) const {
        const value given = named(key, at);
        return given ? widest(given) : 4;
    }
    static double widest(const value & one) {
        if (is_val<jinja::value_kwarg>(one)) return widest(static_cast<const jinja::value_kwarg_t *>(one.get())->val);
        if (is_val<jinja::value_int>(one)) return (double) std::max<int64_t>(one->val_int, 0);
        double n = (double) text_size(one);
        for (const value & item : one->val_arr) n += (double) text_size(item);
        return n;
    }

    static double printed_size(const value & of, double between, double depth) {
        double n = 6 * (double) text_size(of) + between * depth;
        for (const value & item : of->val_arr) n += printed_size(item, between, depth + 1);
        for (const auto & pair : of->val_obj)
            n += printed_size(pair.first, between, depth + 1) + printed_size(pair.second, between, depth + 1);
        return n;
    }

    void check_order(const std::vector<value> & keys) const {
        budget_.charge(20 * (uint64_t) keys.size());
        for (const value & key : keys)
            if (kind_of(key) < 0 || kind_of(key) != kind_of(keys[0]))
                throw std::runtime_error("values of different kinds have no order");
    }
    static value key_of(const value & item, const value & attribute) {
        value none;
        if (!attribute || attribute->is_undefined()) return item;
        if (is_val<jinja::value_array>(item) && is_val<jinja::value_int>(attribute))
            return item->at(attribute->val_int, none);
        if (is_val<jinja::value_object>(item) && is_val<jinja::value_string>(attribute))
            return item->at(attribute, none);
        return item;
    }
    static int kind_of(const value & key) {
        if (!key) return 4;
        if (is_val<jinja::value_int>(key) || is_val<jinja::value_float>(key)) return std::isnan(key->val_flt) ? -1 : 1;
        return is_val<jinja::value_string>(key) ? 2 : 3;
    }

    uint64_t items(double n) const {
        if (!(n <= max_items)) throw template_limit{ "the template makes a list that is too long" };
        return n > 0 ? (uint64_t) n : 0;
    }
    void text(double n_bytes) const {
        if (!(n_bytes <= (double) max_template_text))
            throw template_limit{ "the template makes a text that is too long" };
        budget_.charge_text((uint64_t) n_bytes);
    }
    void search(double n_bytes, double n_wanted) const { budget_.charge((uint64_t) (n_bytes * n_wanted / 1024)); }
    void find_all(double n_wanted) const {
        search(bytes(0), n_wanted);
        budget_.charge((uint64_t) (bytes(0) / n_wanted * bytes(0) / 16384));
    }

    template_budget & budget_;
    const std::vector<value> & arguments_;
};

}  // namespace

void check_builtin(template_budget & budget, const std::string & name, const std::vector<value> & arguments) {
    for (const value & one : arguments)
        budget.charge(1 + one->val_arr.size() + one->val_obj.size() + one->val_str.parts.size() + text_size(one) / 256);
    const builtin_call call(budget, arguments);
    if (name == "range") return call.check_range();
    if (name == "namespace") {
        for (const value & one : arguments) charge_value(budget, one);
        return;
    }
    if (arguments.empty()) return;
    if (name == "divisibleby") return call.check_divisor(1);
    if (name == "selectattr" || name == "select" || name == "rejectattr" || name == "reject")
        return call.check_selection();
    if (name == "split" || name == "rsplit") return call.check_split();
    if (name == "replace") return call.check_replace();
    if (name == "indent") return call.check_indent();
    if (name == "join") return call.check_join();
    if (name == "tojson" || name == "string" || name == "safe") return call.check_print();
    if (name == "in") return call.check_membership();
    if (name == "sort") return call.check_list_order();
    if (name == "dictsort") return call.check_object_order();
    if (name == "append") return call.check_append();
}

void check_repetition(template_budget & budget, const value & text, int64_t times) {
    const double n_bytes = (double) text_size(text) * (double) times,
                 n_parts = (double) text->val_str.parts.size() * (double) times;
    if (n_bytes > (double) max_template_text || n_parts > (double) max_template_text)
        throw template_limit{ "the template makes a text that is too long" };
    if (n_parts > 0) budget.charge((uint64_t) n_parts);
}

}  // namespace overfill
