"""The gate's decisions in words, with the numbers behind them, and what to do about a refusal."""

from assets.evaluation.evaluate_version import CHAMPION
from assets.evaluation.plots import cell
from assets.release.contest import Contest
from models.evaluation.report import OVERALL, Contestant
from models.families.blend import Blend


def outcome(contest: Contest, winner: str | None, why: str) -> str:
    """Who is champion from now on, why, and what everybody had."""
    version = contest.version(winner) if winner else contest.champion
    who = f"{version} ({contest.family(winner)})" if winner else version
    happens = "stays champion" if version == contest.champion else "becomes champion"
    return f"{who} {happens}: {why}{_everybody(contest)}."


def first(contest: Contest) -> str:
    return f"there was none, and of {len(contest.contestants)} it is the best than which nothing is clearly better"


def succeeds(contest: Contest, winner: str, holder: str) -> str:
    how = "clearly better than" if contest.lead(winner, holder) else "newer and no worse than"
    return f"it is {how} {_title(contest, holder)}{_difference(contest, winner, holder)}"


def stays(contest: Contest, holder: str) -> str:
    return f"nothing is clearly better than {_title(contest, holder)}"


def beaten(contest: Contest, holder: str) -> str:
    by = str(contest.beaten_by(holder))
    return f"{by} is clearly better than {_title(contest, holder)}{_difference(contest, by, holder)}"


def floor(contest: Contest) -> str:
    return f"there was none, and {too_few(contest)}, so that no model can show that it is better than popularity"


def broken(contest: Contest) -> str:
    return f"the champion {contest.champion} is broken ({_why_absent(contest)}), and {too_few(contest)}"


def counted_anew(contest: Contest, scorer: str) -> str:
    return f"it is of the champion's family, counted anew, and {too_few(contest)}"


def evaluate_again(contest: Contest) -> str:
    return (
        f"its evaluation is of earlier code, or from before {contest.champion or 'the last decision'} became champion; "
        "materialize `evaluation` and `release` again"
    )


def older(contest: Contest) -> str:
    return (
        f"it was made before the champion, which has seen its answers ({_why_absent(contest)}); materialize "
        "`hstu_model`, `evaluation` and `release` for a new version, or promote it by hand"
    )


def too_few(contest: Contest) -> str:
    """Why no numbers decide."""
    reports, metric = contest.reports, contest.settings.metric
    measured = {name for of in reports.values() for name in of.scorers.get(contest.candidate, {}).get(OVERALL, {})}
    if measured and metric not in measured:
        return f"{metric} was not measured, but {', '.join(sorted(measured))}"
    users = " and ".join(f"{of.users} users ({protocol})" for protocol, of in reports.items())
    return f"numbers of {users or 'nobody'} decide nothing where release.min_users is {contest.settings.min_users}"


def verdict(contest: Contest, scorer: str, holder: str | None, winner: str | None) -> str:
    """What became of one contestant, and why."""
    if scorer == winner:
        return "stays champion" if contest.version(scorer) == contest.champion else "becomes champion"
    if not contest.protocols:
        return too_few(contest)
    if better := contest.beaten_by(scorer):
        return f"{better} is clearly better{_difference(contest, better, scorer)}"
    if holder and holder == winner:
        same = contest.family(scorer) == contest.family(holder)
        how = (
            f"in the mean it is not better by {contest.settings.margin:g} than"
            if same
            else "it is not clearly better than"
        )
        return f"{how} {holder}{_difference(contest, scorer, holder)}"
    return f"{winner} is better in the mean{_difference(contest, str(winner), scorer)}"


def refusal(contest: Contest, holder: str | None, why: str) -> str:
    """Why the candidate is not released, and what whoever wants it released can do."""
    return f"{contest.version(contest.candidate)} is not released: {why}; {_advice(contest, holder)}."


def broken_candidate(contest: Contest, broken: Contestant) -> str:
    """Why a version that cannot answer is not released."""
    why = contest.evaluation.left_out.get(broken.family, "it does not answer")
    return f"{broken.version} is not released: {why}; the next night trains a new one."


def numbers(contest: Contest, holder: str | None, winner: str | None) -> dict[str, float]:
    """Everybody's mean on the deciding protocol, and how far the winner is ahead of the holder."""
    if not contest.protocols:
        return {}
    protocol, metric = contest.protocols[0], contest.settings.metric
    measures = {scorer: contest.measure(scorer, protocol) for scorer in contest.contestants}
    ahead = contest.difference(winner, holder, protocol) if winner and holder else None
    means = {f"{scorer} {metric}": told.mean for scorer, told in measures.items() if told}
    return means | ({"difference": ahead.mean} if ahead else {})


def _everybody(contest: Contest) -> str:
    if not contest.protocols:
        return ""
    protocol, metric = contest.protocols[0], contest.settings.metric
    told = [f"{scorer} {cell(of)}" for scorer in contest.contestants if (of := contest.measure(scorer, protocol))]
    return f"; {metric} ({protocol}, {contest.reports[protocol].users} users): {', '.join(told)}"


def _title(contest: Contest, holder: str) -> str:
    of = contest.contestants[holder]
    if of.version == contest.champion:
        return f"the champion {of.version} ({of.family})"
    return (
        f"{of.version} ({of.family}), which stands in for the champion {contest.champion}, as that cannot be asked: "
        f"{_why_absent(contest)}"
    )


def _why_absent(contest: Contest) -> str:
    left_out, incumbent = contest.evaluation.left_out, contest.evaluation.incumbent
    return left_out.get(CHAMPION) or left_out.get(incumbent.family if incumbent else "") or "it is not there"


def _difference(contest: Contest, first: str, second: str) -> str:
    lead = contest.lead(first, second)
    protocol = lead.protocol if lead else contest.protocols[0]
    difference = contest.difference(first, second, protocol)
    return f", difference {cell(difference)} ({protocol})" if difference else ""


def _advice(contest: Contest, holder: str | None) -> str:
    if not contest.protocols:
        return (
            "widen evaluation.window_days, hold more users out (evaluation.leave_one_out_users), or lower "
            "release.min_users"
        )
    if better := contest.beaten_by(contest.candidate):
        if contest.family(better) == Blend.name:
            return "it answers as a part of the blend"
        return (
            "train longer or on more days, or search its settings (`tuned_hyperparameters`); every night is judged anew"
        )
    if holder and contest.family(contest.candidate) == contest.family(holder):
        return "the next night is judged anew; a negative release.margin lets a slightly worse one through"
    return "more users would tell: widen evaluation.window_days, or raise evaluation.leave_one_out_users"
