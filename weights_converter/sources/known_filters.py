"""The first filters of published networks, which tell the preprocessing of a file with the same values.

Caffe's VGG has been saved under torchvision's names, with its channels in either order, and other networks have been
copied between frameworks as well. Names and shapes cannot tell such copies apart; the direction of the filters can,
even after fine-tuning. Each text holds some filters of a first convolution, scaled to -127..127, as base 85.
"""

import base64
from typing import NamedTuple

import numpy as np

from minicnn.backend import Array


class KnownFilters(NamedTuple):
    """The first filters of one published training.

    source : name of its Source. shape : of the whole array. order : of its channels.
    norm : mean norm of these filters; None if only their direction is known. text : their values.
    """

    source: str
    shape: tuple[int, int, int, int]
    order: str
    norm: float | None
    text: str

    def filters(self) -> Array:
        """Return the filters, of shape (n, 3, k, k), in float64."""
        values = np.frombuffer(base64.b85decode(self.text), np.int8)
        return values.reshape(-1, *self.shape[1:]).astype(np.float64)


KNOWN = (
    KnownFilters("vgg16_caffe", (64, 3, 3, 3), "BGR", 1.0054,
                 'V^;D%39IwNuYYFkPzjgvw2*IJ@kk7#^uC`;W>sB(W>IWc4IUa3DIF9d8<drwijk9;mz@#;!&Ot!2LQe_8_Iul-6$Hx6#chYP{s'
                 ')Su~$V(7^n3Bo!o3tRv4G+^nu1@O;s45@%fF=-$*~YLOQ0)+1FZHs7_CTz1QJiSG-(Sm(=EMa&C8jacg^NrIx3hke8*Rr0Lh|-'
                 'p|?U<?1EEq*CLmR5k=Qx{Pn=oPSOWB(929)|O^E0uwYYpuG{Gt^XuoYM0PFfu|ESb9S`wRGr2uF(fc59VI9$B$$Vok%5ktmXkg'
                 '}KuS$XK~q2v=m$kCL}_klzmB*0*7q<iF1LZM=Dy<}6&)043IS&Ku)nV)e;5O9_nNDh9(EN0YWShFq1Y`FyCxBzzRePUYUyrZx$'
                 'OnnIVP_r8i}*Z)7I73;oQ#B(p6<yXn$^3XIsF>!^zgp!pOuH`qEWM_*7C72j8+vG22r}0n4I+0_UF)0m<o?@$`}dKP*Yzf#~vw'
                 '239^}<&E$6kP1>gUOhH4CkrAlC^E#hx21ufvZS;=Ix!~>ASfg$5bhJ`#O>+S?c~Vg&auzSzRhJ}Uwn9Ya({0gG07@Ds?W!iYjy'
                 'E*ddUFmpf^FwIzyq=!GTCWOH3+INjONcp0=%lv$UGF91tQN`6M6>Bj&;6&7#WM!_};fsi=gcwx_X7O-6KbZf$>NerqvcAmuOj&'
                 'sjJ5D%YCztASH7{v*<#_pgmiV-+3ft^mHUa(NOj<&*uTf^vTxI{2pxyOv>NVrXb%U2kFm@d5SX?)v)vx}CV8ftj+Uw9(-&>i}6'
                 'WNNRzV^`5vQ^AJF=!W_%tMI1F?'),
    KnownFilters("vgg19_caffe", (64, 3, 3, 3), "BGR", None,
                 'U0w7)8LjNSq<?brQyiM>tAT81^GO?{>$8qRTr6CFH$`DB7bN>9J^LFe{Km?$$<?IF&#?&$*FaJ02M*OXH1u<S3pF?L?dP)~D8u'
                 'dRvPm^N5}fJ;oZN0rQXP}z{(;40NK74?=>m+-+(19KK0Tq(;?+@Cs7O$O#Ng~+T*qErqvG~(dT@AubZU8Mr<|&pi<zOEqwC)A+'
                 '{@kR;_fNRs!`{$RyYbZyo+h&oP0_O8>WFr$&6es`Ux#Ap12O3sr(&WY?;tJfu<2Mad*A;Rier%IW0OhD=;!TEtrOzk%5nwnv^*'
                 '-K0iD^Hb*xa_8?6(SZZ%^v4Obe!txgrA-ROV=DqP95+n_02>WmTr@^%ye;56E|B$Yq8Fdr<a{igMr{p#qz9Si+!`vBvYvy5Jw('
                 '1StHzuhU7lf|U(ACt^+||m?&Rc3-YkzB6XIjI`#>>{r#mdDS0M%Dd`%Fy^3gEFyHQGu*`p=_*1?`~?{>JW{@BEnmMJ_|&f#LXx'
                 '`&m3#?2+sMl>%2iR5LFxCI})hC@s3Nx2A!kwy3l<H!~{}DlIE6_um82x!Tai-qym{%DKzT$<k0yMRRv&Y=3AA9J~}Bmcq1zdVT'
                 'zVc+3>_s6Io{LOr17$%aETJwX{jK`cAFqqnkww7Z_UBo!ng`zRz2CL;nO{KWVR=LOru*~XZ`&$r5HY-fLNdwYL(dT%;e9`P#i('
                 'o;ABAJL-hpMg;~3mws|^Qn_kX&4{ww)wQMZhI3f?49tNglm5rIRdo<x1UQ+N>5EoLrq5@5*!l&4HXX-ww|({ftaqHuhHN$?D|_'
                 'WMQVYR`<}5U_6<U@!6MAsNggp^'),
    KnownFilters("squeezenet1_0_caffe", (96, 3, 7, 7), "BGR", 1.0644,
                 'QaK&~@#x$v2LbZ;2=5W|@X^!r?j8vH)6whPCl3to@BrRL69Dq|0o-db5d-@8%sD3$^WMy*F&7v8^7+Iu85i%|=*BH49_-uXy(%'
                 'Cg`S0+*HXs@Q_Vvb6Gb9fB?y@Z$1?thdfiD>j^6dAuFB}i*-0Q(DCmHPA>$*HGCHe9C#8NpT0QdjVWlS*_|MR-$-S7Vg0sGp|{'
                 '}&1X|KQIEJRJ-N`PTn0BmeaS*7j0c`QP^9|651o*z*7pD*V*e*UIw~5dibNybLxV0Pn!O8(u8~^Vq-)Pci)4^3exxZSl(U?je6'
                 'w)VlQwB{T4_wdUpp7ZV2o*5D&E5diqz;44cJ`t<PI7c&az-2mtjQbgU+{Qn(WFUrR83>g{Msj~q90{!{^0Q&w8_VoV&_Y4u}_y'
                 '_|076sM+5(NGa?%x&?0|5l-0}u-Q1poX31_%HC0vHPO{QvnAGWFK^1^qHL!p08|3_}Ki-Y*akEytH5F9{0*zw9Uz{{!{v0uc)V'
                 '{{a#O^ZNn#3nlU1`v?0aCCb(j4+t>>qU|UN3L)3EARz$?0nYUy4f_J~?*|eO0xTdTBpMGB2mJ~T{`>*?`Tqa``}_9&3<CiF1?u'
                 'n_91#l%`QP343>Os@=cl66`3x=~E-^7CCkp`+7ZD5${s9CB6%h;c01pWV2@dM%2@??s2k^<k-vJB@1<#CuvE2YcIYB!+E-o1l9'
                 'wQYK7XSkS2^9|)?Ck*m`~@1|+yV>(0uJiO!{Gl94*A23h_Bf8DLWz&`~>kJI~@V-?d2vW9{c*--a;J~0RiIaL>m9{?&<47C+5t'
                 '*-rO@9<G-iI+Sujg1_?Pmx6al89!yc6x774KPhyyr*#AUCV4s1>2t7|vuA;jDCs9Do%g_WSKsN&V?*QTJ)EW%*_u%l}E;SC+*x'
                 '2GTUrE@zwa_A6X$8o{!T~*4F!uD(@C+s}BM$HX01Xol4-WSG01Oid2=nv~`vVFA0o3^q`w9vc>b&m>1`H1u>eB822MHDz|LO4o'
                 '0SOcl2LuH70ul}n008XqE)@d>`TMEzJQffHCdz^DC>jqRAIGon4Gjq-8Smoq1^@p6`0Vrh{{;;D^Xl^g1TYEh?&%EM7eEUB^%v'
                 ';D7BCh70~X`q4HpFN2n+oC0RI'),
    KnownFilters("squeezenet1_1", (64, 3, 3, 3), "RGB", 1.3974,
                 'BQ*O@V-_ba_oSJ-h=Hn{mb)-AMl2gTMmtkm-wMJHKLi$>5ti+N9(pWdxDLJZu^>t)O275Y%{f#k)#m`}x3N=yKg8br_~YjwI2q'
                 'yZ{#i?46&DVZo0(}}a~2m2frEk_7AOo41=ZZu6Go@115`}70TW)EfdPA9p704aue}OOL&y0!67bixm!F@He{yP8MmZlL3^^}7>'
                 'fhtFwW#*S0=C2`2t!=ssrj6^ISgKZ4(0#a*9Zq9DD2?Hy{xa5l+ra_C~ALAIz}>x!qd<U8vipq4inbpR^7)P4jvh&@PEp=FbfI'
                 '>;`Bh|<Prq`PPN)p<k%$i!gcY5aw&luBhf_pvql}X6Ba2b47{Sg88$dOGZUqOsUb&56&DHK)7}Xl7fe!DSa5e*aB`85g_@9yp^'
                 'bqG5(E$s3J?eY56RH!ro8;p<p1^X^5x~^+0Y78MLmCNBUwIwaVS~#tlf}?>FxgQ_zeCR7^kt_$qYObTvoszBvS&b<=sH3CoO*l'
                 'gw@YZz!w@)3AE<nIOYW~3Zo=7?da12SOkG0QR&<94iOB`7ZU*REo>k>JJj*QjUh((9sr`-rj&uNs<zn1vf=rl!|DP(I36bgfvx'
                 'ENM@Att4a?#83M?W73idrV2Q~J^0L##SYaLARqvMp6JShqz^wjy-*|{-wjP`P$$4jy*c!BSFu*XCI1OoE$2psYMCr3`QpUET)_'
                 '%mN@oq@M02J{akBh|>=BMk(9B$;^Glv${_6%y<k==BK64Xyn!#|TH#`al@HHXQHu#8lrLnn5(}*S&wy5ydSU`|!t8-_Pwz+V3>'
                 'F08^ypcA@EKgZY2b=1|k@Ke78+'),
)
