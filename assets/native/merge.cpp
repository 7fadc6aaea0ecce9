// Folds events into the sequences of one bucket of users.
//
// What a user did with one item in one request group (a request, or a moment) is one interaction: the events of one
// key, as far as each lies within a gap of another. Each column has a rule that makes one value of those of several
// events. No rule asks in which order, or how often, events come in.
// Users are matched by their hash; sequences come and go sorted by it, events come in runs sorted by it, such as a run
// for each day.
//
// COLUMNS(C), defined by the compile command, is C(type, name, rule) for each column, the widest first. Among them
// are item_row and request_group, the key, and started, timestamp and arrival, by which interactions are ordered.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <queue>
#include <tuple>
#include <utility>
#include <vector>

namespace {

constexpr int16_t kNoCategory = -1;

struct Columns {
#define C(type, name, rule) type* name;
  COLUMNS(C)
#undef C
};

// Of each column of codes, the rank of each name in the alphabet.
struct Ranks {
#define C(type, name, rule) const int16_t* name;
  COLUMNS(C)
#undef C
};

struct Rules {
  int64_t gap;  // the longest time between two actions of one interaction
  Ranks ranks;
};

struct Interaction {
#define C(type, name, rule) type name;
  COLUMNS(C)
#undef C

  bool Before(int64_t other_timestamp, int64_t other_arrival) const {
    return timestamp != other_timestamp ? timestamp < other_timestamp : arrival < other_arrival;
  }
};

Interaction At(const Columns& columns, int64_t i) {
  return {
#define C(type, name, rule) columns.name[i],
      COLUMNS(C)
#undef C
  };
}

void Put(const Interaction& from, const Columns& columns, int64_t i) {
#define C(type, name, rule) columns.name[i] = from.name;
  COLUMNS(C)
#undef C
}

// The rules. NaN stands for a number that is not there, which fmin and fmax pass over.
template <typename T>
T Key(T a, T, const int16_t*) { return a; }
template <typename T>
T Earliest(T a, T b, const int16_t*) { return std::min(a, b); }
template <typename T>
T Latest(T a, T b, const int16_t*) { return std::max(a, b); }
template <typename T>
T Union(T a, T b, const int16_t*) { return a | b; }
float Smallest(float a, float b, const int16_t*) { return std::fmin(a, b); }
float Largest(float a, float b, const int16_t*) { return std::fmax(a, b); }
int16_t FirstName(int16_t a, int16_t b, const int16_t* ranks) {
  if (a == kNoCategory || b == kNoCategory) return std::max(a, b);
  return ranks[a] <= ranks[b] ? a : b;
}

void Fold(const Interaction& from, const Rules& rules, Interaction* into) {
#define C(type, name, rule) into->name = rule(into->name, from.name, rules.ranks.name);
  COLUMNS(C)
#undef C
}

// A user's new interactions, found by item and key in a hash table that is emptied for every user.
class NewInteractions {
 public:
  explicit NewInteractions(const Rules& rules) : rules_(rules), places_(kFewest, kFree), mask_(kFewest - 1) {}

  void Clear() {
    // Emptying a table that once held a long history would cost more than a short one does.
    if (places_.size() > kFewest && found_.size() * 8 < places_.size()) {
      places_.assign(kFewest, kFree);
      mask_ = kFewest - 1;
    } else {
      std::fill(places_.begin(), places_.end(), kFree);
    }
    found_.clear();
    parted_ = false;
  }

  void Add(const Interaction& event) {
    int32_t* place = Find(event.item_row, event.request_group);
    if (*place == kFree) {
      *place = static_cast<int32_t>(found_.size());
      found_.push_back(event);
      if (found_.size() * 2 > places_.size()) Grow();
    } else if (Near(event, found_[*place])) {
      Fold(event, rules_, &found_[*place]);
    } else {
      found_.push_back(event);
      parted_ = true;
    }
  }

  // Adds an interaction of before where a new one has its item and key; false where none has.
  bool Absorb(const Interaction& before) {
    if (*Find(before.item_row, before.request_group) == kFree) return false;
    Add(before);
    return true;
  }

  // Whether interactions of one key that lie apart are one interaction is known when all are there, for a third one
  // between the two may join them. To be called after the last one.
  void Settle() {
    if (!parted_) return;
    std::sort(found_.begin(), found_.end(), [](const Interaction& a, const Interaction& b) {
      return std::tie(a.item_row, a.request_group, a.started) < std::tie(b.item_row, b.request_group, b.started);
    });
    size_t last = 0;
    for (size_t i = 1; i < found_.size(); ++i) {
      const bool same_key =
          found_[i].item_row == found_[last].item_row && found_[i].request_group == found_[last].request_group;
      if (same_key && Near(found_[i], found_[last])) {
        Fold(found_[i], rules_, &found_[last]);
      } else {
        found_[++last] = found_[i];
      }
    }
    found_.resize(last + 1);
  }

  std::vector<Interaction>& interactions() { return found_; }

 private:
  static constexpr int32_t kFree = -1;
  static constexpr size_t kFewest = 64;

  bool Near(const Interaction& a, const Interaction& b) const {
    return a.started - b.timestamp <= rules_.gap && b.started - a.timestamp <= rules_.gap;
  }

  void Grow() {
    places_.assign(places_.size() * 2, kFree);
    mask_ = places_.size() - 1;
    // Of several of one key the first is the one that Add looks at.
    for (size_t i = found_.size(); i-- > 0;) {
      *Find(found_[i].item_row, found_[i].request_group) = static_cast<int32_t>(i);
    }
  }

  int32_t* Find(int32_t item, int64_t request_group) {
    const uint64_t key = static_cast<uint64_t>(request_group) ^ (static_cast<uint64_t>(item) << 32);
    const uint64_t mixed = key * 0x9E3779B97F4A7C15ull;
    size_t place = (mixed ^ (mixed >> 32)) & mask_;
    while (places_[place] != kFree) {
      const Interaction& there = found_[places_[place]];
      if (there.item_row == item && there.request_group == request_group) break;
      place = (place + 1) & mask_;
    }
    return &places_[place];
  }

  const Rules rules_;
  std::vector<int32_t> places_;
  std::vector<Interaction> found_;
  size_t mask_;
  bool parted_ = false;
};

void Copy(const Columns& from, int64_t start, int64_t count, const Columns& to, int64_t at) {
#define C(type, name, rule) std::memcpy(to.name + at, from.name + start, count * sizeof(type));
  COLUMNS(C)
#undef C
}

// The user's interactions of before [start, end) and their new events, together in time order; returns how many.
int64_t MergeUser(const Columns& before, int64_t start, int64_t end, NewInteractions* fresh, const Columns& to,
                  int64_t at) {
  const int64_t began = at;
  std::vector<char> absorbed(end - start, 0);
  for (int64_t i = start; i < end; ++i) absorbed[i - start] = fresh->Absorb(At(before, i));
  fresh->Settle();
  std::vector<Interaction>& found = fresh->interactions();
  std::sort(found.begin(), found.end(),
            [](const Interaction& a, const Interaction& b) { return a.Before(b.timestamp, b.arrival); });
  size_t next = 0;
  for (int64_t i = start; i < end; ++i) {
    if (absorbed[i - start]) continue;
    while (next < found.size() && found[next].Before(before.timestamp[i], before.arrival[i])) {
      Put(found[next++], to, at++);
    }
    Put(At(before, i), to, at++);
  }
  while (next < found.size()) Put(found[next++], to, at++);
  return at - began;
}

}  // namespace

// gap, ranks: what is one interaction, and which of its names counts.
// before: `users` sequences (hashes ascending, offsets of users + 1 entries).
// events: `runs` stretches [starts[r], ends[r]) of rows, in each of which event_users ascends.
// out: columns with room for all interactions and events; out_hashes, out_offsets, out_before (position of the user
// before, or -1) and out_event (position of one of their events, or -1) with room for all users.
// Returns the number of users.
extern "C" int64_t merge_sequences(int64_t gap, const Ranks* ranks, int64_t users, const uint64_t* hashes,
                                   const int64_t* offsets, const Columns* before, int64_t runs, const int64_t* starts,
                                   const int64_t* ends, const uint64_t* event_users, const Columns* event,
                                   const Columns* out, uint64_t* out_hashes, int64_t* out_offsets,
                                   int64_t* out_before, int64_t* out_event) {
  std::vector<int64_t> next(starts, starts + runs);
  using Head = std::pair<uint64_t, int64_t>;  // the next user of a run, and the run
  std::priority_queue<Head, std::vector<Head>, std::greater<Head>> heads;
  for (int64_t run = 0; run < runs; ++run) {
    if (starts[run] < ends[run]) heads.push({event_users[starts[run]], run});
  }
  NewInteractions fresh(Rules{gap, *ranks});
  int64_t user = 0, written = 0, at = 0;
  out_offsets[0] = 0;
  while (user < users || !heads.empty()) {
    const bool has_events = !heads.empty() && (user == users || heads.top().first <= hashes[user]);
    const uint64_t hash = has_events ? heads.top().first : hashes[user];
    const bool was_there = user < users && hashes[user] == hash;
    const int64_t start = was_there ? offsets[user] : 0, end = was_there ? offsets[user + 1] : 0;
    out_hashes[written] = hash;
    out_before[written] = was_there ? user : -1;
    out_event[written] = has_events ? next[heads.top().second] : -1;
    if (has_events) {
      fresh.Clear();
      while (!heads.empty() && heads.top().first == hash) {
        const int64_t run = heads.top().second;
        heads.pop();
        int64_t row = next[run];
        for (; row < ends[run] && event_users[row] == hash; ++row) fresh.Add(At(*event, row));
        next[run] = row;
        if (row < ends[run]) heads.push({event_users[row], run});
      }
      at += MergeUser(*before, start, end, &fresh, *out, at);
    } else {
      Copy(*before, start, end - start, *out, at);
      at += end - start;
    }
    out_offsets[++written] = at;
    user += was_there;
  }
  return written;
}
