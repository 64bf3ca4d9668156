"""Adjectives and adverbs, and the pairs of opposites."""

from starter.lexicon.text import words

ADJECTIVES = words(
    """
    old new small big heavy light cheap expensive broken clean dirty beautiful ugly soft hard round square wooden
    metal plastic red blue green yellow black white brown grey pink purple warm cold dry wet empty full long short
    tall wide narrow thick thin strong weak bright dark quiet loud fresh fine strange simple modern famous useful
    pretty shiny tiny huge little large smooth rough sharp flat deep plain golden silver striped spotted lovely
    rusty dusty folding antique special favourite foreign popular perfect ordinary rare sturdy elegant comfortable
    colourful solid fragile
    """
)
PERSON_ADJECTIVES = words(
    """
    happy sad tired hungry thirsty angry busy kind polite rude clever lazy brave shy calm nervous proud honest
    friendly lonely patient careful careless cheerful curious jealous generous selfish serious funny young old
    rich poor sick healthy quiet famous clumsy excited bored worried
    """
)
ADVERBS = words(
    """
    quickly slowly carefully quietly happily sadly gladly suddenly early late often rarely secretly proudly
    politely calmly bravely gently finally easily silently eagerly nervously cheerfully patiently
    """
)

# Each word stands in one pair only, so that its opposite is unique.
OPPOSITES: tuple[tuple[str, str], ...] = tuple(
    (pair.split("/")[0], pair.split("/")[1])
    for pair in words(
        """
        hot/cold big/small tall/short old/new heavy/light dark/bright rich/poor happy/sad wet/dry clean/dirty
        full/empty fast/slow early/late strong/weak hard/soft loud/quiet wide/narrow thick/thin deep/shallow
        high/low near/far open/closed right/wrong good/bad true/false easy/difficult cheap/expensive beautiful/ugly
        brave/cowardly kind/cruel polite/rude sweet/bitter sharp/blunt smooth/rough straight/crooked young/aged
        alive/dead awake/asleep safe/dangerous simple/complicated public/private guilty/innocent rare/common
        tight/loose fresh/stale ripe/unripe raw/cooked modern/ancient visible/invisible possible/impossible
        lucky/unlucky honest/dishonest patient/impatient careful/careless useful/useless legal/illegal healthy/sick
        wise/foolish generous/greedy proud/ashamed calm/excited lazy/hardworking tiny/huge up/down in/out on/off
        over/under above/below before/after inside/outside always/never first/last more/less many/few
        everything/nothing everybody/nobody here/there now/then yes/no begin/end start/stop come/go give/take
        buy/sell push/pull win/lose love/hate laugh/cry arrive/depart remember/forget build/destroy lend/borrow
        teach/learn ask/answer rise/fall increase/decrease accept/refuse allow/forbid attack/defend break/mend
        catch/throw enter/exit fill/drain freeze/melt float/sink follow/lead hide/show import/export join/separate
        lock/unlock pack/unpack pass/fail praise/blame remain/leave save/waste send/receive shrink/grow sit/stand
        tie/untie whisper/shout work/rest day/night morning/evening summer/winter north/south east/west man/woman
        boy/girl king/queen husband/wife father/mother brother/sister son/daughter uncle/aunt friend/enemy war/peace
        life/death heaven/hell truth/lie success/failure victory/defeat question/reply beginning/ending hope/despair
        joy/sorrow profit/loss strength/weakness wealth/poverty top/bottom front/back ceiling/floor host/guest
        master/servant teacher/pupil buyer/seller hero/villain giant/dwarf sunrise/sunset optimist/pessimist
        maximum/minimum majority/minority plural/singular positive/negative vertical/horizontal male/female
        wild/tame permanent/temporary major/minor active/passive solid/liquid natural/artificial internal/external
        formal/informal complete/incomplete correct/incorrect fair/unfair friendly/hostile gentle/violent
        cheerful/gloomy humble/arrogant bold/timid cool/warm clear/cloudy plain/fancy senior/junior absent/present
        broad/slim flexible/rigid transparent/opaque urban/rural odd/even sober/drunk noisy/silent busy/idle
        famous/unknown mild/severe steep/gradual
        """
    )
)
